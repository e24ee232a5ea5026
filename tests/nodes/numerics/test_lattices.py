import itertools

import ase.build
import numpy as np
import pytest
from ase.geometry import minkowski_reduce

from nodes.numerics.lattices import cell_widths, reduced_basis, widest_supercell


@pytest.mark.parametrize("seed", range(20))
def test_the_reduced_basis_is_as_short_as_that_of_ase(seed):
    rng = np.random.default_rng(seed)
    cell = rng.integers(-3, 4, (3, 3)) @ rng.normal(size=(3, 3)) + 0.01 * rng.normal(size=(3, 3))
    matrix = reduced_basis(cell)
    assert round(np.linalg.det(matrix)) == 1
    found = np.sort(np.linalg.norm(matrix @ cell, axis=1))
    expected = np.sort(np.linalg.norm(minkowski_reduce(cell)[0], axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_widths_are_distances_between_planes():
    cell = np.array([[3.0, 0, 0], [2.0, 4.0, 0], [1.0, 1.0, 5.0]])
    volume = np.linalg.det(cell)
    expected = [
        volume / np.linalg.norm(np.cross(cell[(i + 1) % 3], cell[(i + 2) % 3])) for i in range(3)
    ]
    np.testing.assert_allclose(cell_widths(cell), expected)


@pytest.mark.parametrize(
    ("kind", "max_cells", "edge"),
    [("fcc", 4, 1), ("fcc", 33, 2), ("bcc", 17, 2), ("diamond", 32, 2)],
)
def test_a_cube_is_found_from_a_primitive_cell(kind, max_cells, edge):
    crystal = ase.build.bulk("Si", kind, a=4.0)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    cell = crystal.cell.array @ rotation
    supercell = widest_supercell(cell, max_cells) @ cell
    np.testing.assert_allclose(supercell @ supercell.T, np.eye(3) * (4.0 * edge) ** 2, atol=1e-9)


@pytest.mark.parametrize("max_cells", [1, 2, 3, 5, 7])
def test_no_supercell_is_wider(max_cells):
    """Brute force over all sublattices of an oblique cell."""
    cell = np.array([[2.0, 0.3, 0], [0.4, 3.1, 0.2], [0.9, 0.1, 2.6]])
    best = 0.0
    for n in range(1, max_cells + 1):
        for a, b, c in itertools.product(range(1, n + 1), repeat=3):
            if a * b * c == n:
                for d, e, f in itertools.product(range(a), range(a), range(b)):
                    made = np.array([[a, 0, 0], [d, b, 0], [e, f, c]]) @ cell
                    best = max(best, cell_widths(minkowski_reduce(made)[0]).min())
    matrix = widest_supercell(cell, max_cells)
    assert 1 <= round(np.linalg.det(matrix)) <= max_cells
    assert cell_widths(matrix @ cell).min() == pytest.approx(best)


def test_needless_cells_are_not_added():
    cell = np.diag([2.0, 2.0, 10.0])
    assert round(np.linalg.det(widest_supercell(cell, 17))) == 16
