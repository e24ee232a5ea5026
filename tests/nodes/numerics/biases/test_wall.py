import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.biases import BiasedSystem, SphericalWall

WALL = SphericalWall(2.0, 3.0, center_angstrom=(1.0, 0.0, 0.0))


def system(positions):
    present = jnp.array([[True, True, False]])
    return BiasedSystem(present, jnp.zeros(1), positions)


def test_only_atoms_outside_are_pulled_back():
    positions = jnp.array([[[1.0, 0.0, 0.0], [1.0, 4.0, 3.0], [9.0, 9.0, 9.0]]])
    energies = jnp.zeros((1, 2))

    def energy(positions):
        return jnp.sum(WALL.energy(energies, system(positions)))

    value, gradient = jax.value_and_grad(energy)(positions)
    assert float(value) == pytest.approx(0.5 * 3.0 * (5.0 - 2.0) ** 2)
    expected = 3.0 * 3.0 * np.array([0.0, 0.8, 0.6])
    np.testing.assert_allclose(gradient[0, 1], expected, rtol=1e-6)
    assert not np.any(gradient[0, [0, 2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius_angstrom": 0.0}, "radius_angstrom must be positive, received 0"),
        (
            {"spring_constant_ev_per_square_angstrom": -1.0},
            "spring_constant_ev_per_square_angstrom must be positive",
        ),
        ({"center_angstrom": (0.0, 1.0)}, "center_angstrom must have 3 components"),
    ],
)
def test_values_are_checked(change, message):
    values = {"radius_angstrom": 1.0, "spring_constant_ev_per_square_angstrom": 1.0} | change
    with pytest.raises(ValueError, match=message):
        SphericalWall(**values)
