import ase.data
import numpy as np
import pytest

from nodes.numerics.elements import atomic_masses_amu, covalent_radii_angstrom


def test_tables_equal_those_of_ase():
    numbers = np.arange(1, 119)
    np.testing.assert_allclose(atomic_masses_amu(numbers), ase.data.atomic_masses[1:119], 1e-7)
    numbers = np.arange(1, 97)
    np.testing.assert_array_equal(covalent_radii_angstrom(numbers), ase.data.covalent_radii[1:97])


def test_unknown_elements_are_named():
    with pytest.raises(ValueError, match=r"between 1 and 96 .* received \[0, 97\]"):
        covalent_radii_angstrom(np.array([97, 1, 0]))
