import numpy as np
import pytest

from nodes.numerics.biases import GaussianAcceleration, predict_biased

pytestmark = pytest.mark.slow


def test_energies_below_the_target_are_lifted(ensemble, crystal):
    model, params = ensemble
    [bare] = predict_biased(model, (), params, [crystal])
    bias = GaussianAcceleration(bare.energy + 2.0, 0.1)
    [found] = predict_biased(model, (bias,), params, [crystal])
    assert found.energy - bare.energy == pytest.approx(0.5 * 0.1 * 2.0**2, abs=1e-8)
    np.testing.assert_allclose(found.forces, (1.0 - 0.1 * 2.0) * bare.forces, atol=1e-8)


def test_energies_above_the_target_stay(ensemble, crystal):
    model, params = ensemble
    [bare] = predict_biased(model, (), params, [crystal])
    [found] = predict_biased(
        model, (GaussianAcceleration(bare.energy - 1.0, 0.1),), params, [crystal]
    )
    assert found.energy == pytest.approx(bare.energy, abs=1e-10)
    np.testing.assert_allclose(found.forces, bare.forces, atol=1e-10)


def test_the_spring_constant_must_be_positive():
    with pytest.raises(ValueError, match="spring_constant_per_ev must be positive, received -1"):
        GaussianAcceleration(0.0, -1.0)
