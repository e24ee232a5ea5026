import numpy as np
import pytest

from nodes.numerics.biases import Calibration, UncertaintyBias, predict_biased


def test_mean_and_forces_stay_and_deviations_scale(ensemble, crystal):
    model, params = ensemble
    [bare], [found] = (
        predict_biased(model, b, params, [crystal], members=True)
        for b in ((), (Calibration(2.0, 3.0),))
    )
    assert found.energy == pytest.approx(bare.energy, abs=1e-10)
    np.testing.assert_allclose(found.forces, bare.forces, atol=1e-12)
    np.testing.assert_allclose(found.virial, bare.virial, atol=1e-12)
    np.testing.assert_allclose(
        found.energies - found.energy, 2.0 * (bare.energies - bare.energy), atol=1e-9
    )
    np.testing.assert_allclose(found.forces_std, 3.0 * bare.forces_std, rtol=1e-9)
    assert "bias_energy" not in found.properties


@pytest.mark.extensive
def test_biases_after_it_see_calibrated_energies(ensemble, crystal):
    model, params = ensemble
    calibration = Calibration(2.0, 1.0)
    narrow, wide = UncertaintyBias(1.0, 0.3), UncertaintyBias(1.0, 0.6)
    after, before, narrower = (
        predict_biased(model, biases, params, [crystal])[0]
        for biases in [(calibration, wide), (wide, calibration), (narrow,)]
    )
    assert after.energy == pytest.approx(narrower.energy, abs=1e-9)
    np.testing.assert_allclose(after.forces, narrower.forces, atol=1e-9)
    assert before.energy != pytest.approx(after.energy, abs=1e-3)


def test_factors_must_be_positive():
    with pytest.raises(ValueError, match="forces_factor must be positive, received 0"):
        Calibration(1.0, 0.0)
