import numpy as np
import pytest

from nodes.numerics.neighbors.cells import image_ranges, image_table, periodic_basis


def test_missing_lattice_vectors_are_perpendicular_unit_vectors():
    cell = np.array([[2.0, 1.0, 0.0], [9.0, 9.0, 9.0], [0.0, 3.0, 1.0]])
    basis = periodic_basis(cell, np.array([True, False, True]))
    np.testing.assert_array_equal(basis[[0, 2]], cell[[0, 2]])
    np.testing.assert_allclose(basis[[0, 2]] @ basis[1], 0, atol=1e-12)
    assert np.linalg.norm(basis[1]) == pytest.approx(1.0)


def test_wide_cell_needs_the_nearest_image_only():
    assert image_ranges(np.eye(3) * 10.0, (True,) * 3, 4.9) == (0, 0, 0)
    assert image_ranges(np.eye(3) * 10.0, (True,) * 3, 5.1) == (1, 1, 1)
    assert image_ranges(np.eye(3) * 1.0, (True, False, True), 5.0) == (5, 0, 5)


def test_image_table_is_mirrored():
    table = image_table((1, 0, 2))
    assert len(table) == 15
    np.testing.assert_array_equal(table[::-1], -table)
