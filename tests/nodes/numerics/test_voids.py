import ase.build
import numpy as np
import pytest

from nodes.numerics.voids import find_voids

ROOT3 = np.sqrt(3.0)

# Radii in units of the lattice constant, and how many voids of each a cubic cell has.
SITES = {
    ("Cu", "fcc"): {0.5: 4, ROOT3 / 4: 8},  # octahedral, tetrahedral
    ("Fe", "bcc"): {np.sqrt(5) / 4: 12},  # tetrahedral
    ("Si", "diamond"): {ROOT3 / 4: 8, np.sqrt(11) / 8: 16},  # tetrahedral, hexagonal
    ("Po", "sc"): {ROOT3 / 2: 1},
}


@pytest.mark.parametrize("cubic", [True, False])
@pytest.mark.parametrize(("element", "kind"), SITES)
def test_voids_of_perfect_crystals_are_the_known_sites(element, kind, cubic):
    crystal = ase.build.bulk(element, kind, a=4.0, cubic=cubic and kind != "sc")
    per_cube = 4.0**3 / crystal.get_volume()
    points, radii = find_voids(crystal.positions, crystal.cell.array)
    for radius, count in SITES[element, kind].items():
        assert np.isclose(radii / 4.0, radius).sum() == pytest.approx(count / per_cube)
    assert len(radii) == pytest.approx(sum(SITES[element, kind].values()) / per_cube)
    fractions = points @ np.linalg.inv(crystal.cell.array)
    assert ((fractions > -1e-5) & (fractions < 1)).all()


def test_the_octahedral_sites_of_fcc_lie_at_the_edges():
    crystal = ase.build.bulk("Cu", a=4.0, cubic=True)
    points, radii = find_voids(crystal.positions, crystal.cell.array)
    found = {tuple(row) for row in (2 * points[radii > 1.9] / 4.0).round(6).tolist()}
    assert found == {(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_point_of_a_grid_is_emptier_than_the_largest_void(seed):
    crystal = ase.build.bulk("Si", a=5.4).repeat((1, 2, 2))
    crystal.set_cell(crystal.cell.array + 0.3 * np.eye(3)[[1, 2, 0]], scale_atoms=True)
    crystal.rattle(0.4, seed=seed)
    points, radii = find_voids(crystal.positions, crystal.cell.array)
    assert (np.diff(radii) < 1e-4).all()
    grid = np.stack(np.meshgrid(*[np.arange(24) / 24] * 3), axis=-1).reshape(-1, 3)
    images = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    atoms = (crystal.get_scaled_positions()[:, None] + images).reshape(-1, 3) @ crystal.cell.array
    from scipy.spatial import KDTree

    tree = KDTree(atoms)
    deepest = tree.query(grid @ crystal.cell.array)[0].max()
    assert deepest <= radii[0] + 1e-9
    assert deepest > radii[0] - 0.25
    np.testing.assert_allclose(tree.query(points)[0], radii, atol=1e-9)


def test_close_corners_are_merged():
    crystal = ase.build.bulk("Cu", a=4.0, cubic=True)
    crystal.rattle(0.02, seed=0)
    fine = find_voids(crystal.positions, crystal.cell.array, merge_angstrom=0.0)[0]
    assert len(fine) > 12
    assert len(find_voids(crystal.positions, crystal.cell.array)[0]) == 12
