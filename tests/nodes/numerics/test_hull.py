import numpy as np
import pytest
from scipy.optimize import linprog

from nodes.numerics.hull import distance_above_hull


def above_by_linear_programming(coordinates, energies):
    """The least energy of any mixture, solved for every point."""
    n = len(energies)
    constraints = np.vstack([coordinates.T, np.ones(n)])
    return np.array(
        [
            energies[i] - linprog(energies, A_eq=constraints, b_eq=[*coordinates[i], 1.0]).fun
            for i in range(n)
        ]
    )


@pytest.mark.parametrize("d", [1, 2, 3])
def test_distances_are_those_of_the_best_mixture(d):
    rng = np.random.default_rng(d)
    coordinates = rng.random((40, d)) * 10.0 ** rng.integers(-2, 4, d)
    energies = 0.01 * rng.random(40) - 1000.0
    found = distance_above_hull(coordinates, energies)
    np.testing.assert_allclose(found, above_by_linear_programming(coordinates, energies), atol=1e-8)
    assert (found == 0).sum() >= d + 1


def test_fractions_that_add_up_to_one_and_constant_columns_are_no_trouble():
    rng = np.random.default_rng(5)
    fractions = rng.dirichlet([1.0, 1.0, 1.0], size=50)
    energies = rng.normal(size=50)
    expected = distance_above_hull(fractions[:, :2], energies)
    found = distance_above_hull(np.column_stack([fractions, np.full(50, 7.0)]), energies)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_reference_energies_do_not_matter():
    rng = np.random.default_rng(6)
    fractions = rng.dirichlet([1.0, 1.0], size=30)
    energies = rng.normal(size=30)
    shifted = energies + fractions @ [-5.0, 3.0] + 11.0
    np.testing.assert_allclose(
        distance_above_hull(fractions, shifted),
        distance_above_hull(fractions, energies),
        atol=1e-9,
    )


def test_a_point_on_an_edge_lies_on_the_hull():
    x = np.array([[0.0], [1.0], [0.25], [0.5]])
    assert distance_above_hull(x, np.array([0.0, 1.0, 0.25, 2.0])).tolist() == [0, 0, 0, 1.5]


def test_without_coordinates_the_lowest_energy_is_the_hull():
    assert distance_above_hull(np.full((3, 2), 4.0), [3.0, 1.0, 2.0]).tolist() == [2, 0, 1]
    assert distance_above_hull(np.zeros((2, 0)), [3.0, 1.0]).tolist() == [2, 0]


def test_points_in_one_plane_and_too_few_points_are_all_on_the_hull():
    grid = np.stack(np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0]), axis=-1).reshape(-1, 2)
    assert not distance_above_hull(grid, grid @ [2.0, -1.0] + 5.0).any()
    assert not distance_above_hull([[0.0], [1.0]], [5.0, 1.0]).any()
    assert distance_above_hull([[0.3]], [5.0]).tolist() == [0.0]


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match=r"shapes \(n, d\) and \(n,\).* \(2, 1\) and \(3,\)"):
        distance_above_hull(np.zeros((2, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="at least one point"):
        distance_above_hull(np.zeros((0, 1)), np.zeros(0))
    with pytest.raises(ValueError, match="must be finite"):
        distance_above_hull([[0.0], [np.nan]], [0.0, 1.0])
