import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit.calibration import (
    Deviations,
    calibrate_forces,
    ensemble_deviations,
    spread_factors,
    with_spread,
)
from nodes.numerics.potentials import EnergyModel
from nodes.numerics.uncertainty import crps


@pytest.fixture(scope="module")
def params(model):
    return model.init(jax.random.key(0))


def test_normalised_errors_have_unit_variance(model, params, valid):
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


def test_deviations_are_errors_per_atom_and_by_component(model, params, valid):
    mixed = [dataclasses.replace(valid[0], forces=None), dataclasses.replace(valid[1], energy=None)]
    found = ensemble_deviations(model, params, mixed)
    first, second = model.predict_many(params, mixed, forces_std=True)
    assert found.energy_errors[0] == pytest.approx((first.energy - mixed[0].energy) / 4, rel=1e-6)
    assert found.energy_stds[0] == pytest.approx(first.energy_std / 4, rel=1e-6)
    np.testing.assert_allclose(found.forces_errors, (second.forces - mixed[1].forces).ravel())
    np.testing.assert_allclose(found.forces_stds, second.forces_std.ravel())
    assert [len(part) for part in found] == [1, 1, 12, 12]


def sample(energy=3.0, forces=0.5):
    rng = np.random.default_rng(0)
    stds = rng.uniform(0.5, 1.0, 3000)
    errors = stds * rng.normal(size=3000)
    return Deviations(energy * errors, stds, forces * errors[::-1], stds[::-1])


@pytest.mark.parametrize("score", ["nll", "crps"])
def test_energies_and_forces_have_factors_of_their_own_or_one_in_common(score):
    separate = spread_factors(sample(), score=score)
    assert separate == pytest.approx((3.0, 0.5), rel=0.05)
    one = spread_factors(sample(), target="energy", score=score)
    assert one == pytest.approx((separate.energy,) * 2)
    one = spread_factors(sample(), target="forces", score=score)
    assert one == pytest.approx((separate.forces,) * 2)
    shared = spread_factors(sample(), target="shared", score=score)
    assert shared == pytest.approx(((separate.energy * separate.forces) ** 0.5,) * 2)


def test_scaled_deviations_have_the_better_score():
    factors = spread_factors(sample(), score="crps")
    before, after = sample(), sample().scaled(*factors)
    np.testing.assert_array_equal(before.forces_errors, after.forces_errors)
    for name in ("energy", "forces"):
        errors = getattr(before, f"{name}_errors")
        scores = [crps(errors, getattr(part, f"{name}_stds")) for part in (before, after)]
        assert scores[1] < scores[0]


def test_what_is_needed_is_named(model, params, valid):
    bare = [dataclasses.replace(s, forces=None) for s in valid]
    with pytest.raises(ValueError, match=r"received \d members and 0 structures with"):
        calibrate_forces(model, params, bare)
    with pytest.raises(ValueError, match=r"received \d members and 0 labelled structures"):
        ensemble_deviations(model, params, [dataclasses.replace(bare[0], energy=None)])
    none = Deviations(*sample()[:2], np.empty(0), np.empty(0))
    with pytest.raises(ValueError, match="must have forces labels for target='separate'"):
        spread_factors(none)
    with pytest.raises(ValueError, match=r"target must be .* received 'virial'"):
        spread_factors(sample(), target="virial")


def test_members_that_share_nothing_keep_their_weights(model, params):
    full = EnergyModel(dataclasses.replace(model.config, ensemble="full"))
    with pytest.raises(ValueError, match=r"must be shallow .* received a full one"):
        with_spread(full, params, 2.0)
