import numpy as np
import pytest

from nodes.numerics.md import degrees_of_freedom, maxwell_boltzmann, temperature_k
from nodes.numerics.md.thermo import remove_drift

MASSES = np.tile([1.0, 12.0, 100.0], 2000)


def test_each_mass_has_the_temperature_asked_for():
    velocities = maxwell_boltzmann(MASSES, 300.0, seed=1)
    for mass in (1.0, 12.0, 100.0):
        some = velocities[mass == MASSES]
        warm = temperature_k(some, np.full(len(some), mass), 3 * len(some))
        # Four standard errors of 6000 degrees of freedom.
        assert warm == pytest.approx(300.0, rel=4 * np.sqrt(2 / 6000))


def test_drift_is_removed():
    velocities = remove_drift(maxwell_boltzmann(MASSES, 300.0, seed=1), MASSES)
    np.testing.assert_allclose(MASSES @ velocities, 0, atol=1e-9)


def test_degrees_of_freedom():
    assert degrees_of_freedom(10, "nve") == 27
    assert degrees_of_freedom(10, "nvt") == 30
    assert degrees_of_freedom(1, "nve") == 1


def test_temperature_equals_that_of_ase():
    from ase import Atoms

    velocities = maxwell_boltzmann(MASSES[:9], 500.0, seed=0)
    atoms = Atoms("Cu9", masses=MASSES[:9], velocities=velocities)
    assert temperature_k(velocities, MASSES[:9], 27) == pytest.approx(
        atoms.get_temperature(), rel=1e-6
    )
