import numpy as np
import pytest

from nodes.numerics.biases import UncertaintyBias, predict_biased

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 2.0, 0.03


@pytest.mark.extensive
def test_energy_and_forces_are_those_of_the_formula(ensemble, crystal):
    model, params = ensemble
    bias = UncertaintyBias(height_ev=HEIGHT, width_ev=WIDTH)
    [bare], [found] = (
        predict_biased(model, b, params, [crystal], members=True) for b in ((), (bias,))
    )
    k, n = 3, 3
    share = np.exp(-(bare.energy_std**2) / (k * n * WIDTH**2))
    assert 0.05 < share < 0.95
    assert found.properties["bias_energy"] == pytest.approx(HEIGHT * (share - 1.0), rel=1e-9)
    # d(variance) = 2 / (k - 1) sum_k (E_k - mean) dE_k
    deviations = bare.energies - bare.energies.mean()
    slope = -HEIGHT * share / (k * n * WIDTH**2) * 2.0 / (k - 1)
    expected = slope * np.einsum("k,kni->ni", deviations, bare.member_forces)
    np.testing.assert_allclose(found.forces - bare.forces, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["height_ev", "width_ev"])
def test_numbers_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive, received 0"):
        UncertaintyBias(**({"height_ev": 1, "width_ev": 1} | {name: 0}))
