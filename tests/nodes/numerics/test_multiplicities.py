import numpy as np
import pytest
from ase.data import ground_state_magnetic_moments

from nodes.numerics.multiplicities import ground_state_multiplicities


def test_multiplicities_are_those_of_the_moments_of_ase():
    """ASE's own table; its values for Ce and Es cannot be, and it has none for Lr."""
    numbers = np.setdiff1d(np.arange(1, 103), [58, 99])
    expected = ground_state_magnetic_moments[numbers] + 1
    np.testing.assert_array_equal(ground_state_multiplicities(numbers), expected)


def test_ce_es_and_lr_have_the_terms_of_nist():
    assert ground_state_multiplicities(np.array([58, 99, 103])).tolist() == [1, 4, 2]


def test_multiplicity_and_number_of_electrons_have_the_right_parity():
    numbers = np.arange(1, 104)
    assert ((ground_state_multiplicities(numbers) + numbers) % 2 == 1).all()


def test_unknown_elements_are_refused():
    with pytest.raises(ValueError, match=r"between 1 and 103 .* received \[104\]"):
        ground_state_multiplicities(np.array([1, 104]))
