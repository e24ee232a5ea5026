import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit import calibrate_forces


def test_normalised_errors_have_unit_variance(model, valid):
    params = model.init(jax.random.key(0))
    calibrated, factor = calibrate_forces(model, params, valid)
    assert factor > 0
    before = model.predict_many(params, valid, forces_std=True)
    after = model.predict_many(calibrated, valid, forces_std=True)
    ratios = np.concatenate(
        [(p.forces - s.forces) / p.forces_std for p, s in zip(after, valid, strict=True)]
    )
    assert np.sqrt(np.mean(ratios**2)) == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_allclose(after[0].forces, before[0].forces, rtol=1e-3, atol=1e-2)
    assert after[0].energy_std == pytest.approx(factor * before[0].energy_std, rel=1e-3)


def test_forces_are_needed(model, valid):
    bare = [dataclasses.replace(s, forces=None) for s in valid]
    with pytest.raises(ValueError, match="received 4 members and 0 structures with forces"):
        calibrate_forces(model, model.init(jax.random.key(0)), bare)
