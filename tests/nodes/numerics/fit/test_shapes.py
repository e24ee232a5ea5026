import numpy as np
import pytest

from nodes.numerics.fit.shapes import choose_shapes, sizes_of


def cost(groups, batch_size):
    return sum(-(-len(rows) // batch_size) * batch_size * n * k for (n, k), rows in groups)


@pytest.mark.parametrize("max_shapes", [1, 2, 3, 4])
def test_each_structure_is_in_one_shape_that_holds_it(max_shapes):
    rng = np.random.default_rng(0)
    sizes = np.stack([rng.integers(1, 200, 300), rng.integers(0, 60, 300)], axis=1)
    groups = choose_shapes(sizes, 8, max_shapes)
    assert 1 <= len(groups) <= max_shapes
    rows = np.concatenate([rows for _, rows in groups])
    np.testing.assert_array_equal(np.sort(rows), np.arange(300))
    for shape, members in groups:
        assert np.all(sizes[members] <= shape)
        assert shape.capacity % 8 == 0


def test_more_shapes_pad_less():
    sizes = np.array([[10, 16]] * 50 + [[50, 40]] * 50 + [[200, 60]] * 50)
    costs = [cost(choose_shapes(sizes, 5, n), 5) for n in (1, 2, 3)]
    assert costs[2] == int(np.sum(sizes[:, 0] * np.array([16, 40, 64]).repeat(50)))
    assert costs[0] > costs[1] > costs[2]


def test_a_shape_that_saves_little_is_not_made():
    sizes = np.array([[64, 40]] * 50 + [[62, 40]] * 50)
    assert len(choose_shapes(sizes, 5, 4)) == 1
    assert len(choose_shapes(sizes[:1], 8, 4)) == 1
    # Eight structures alone fill a batch of eight anyhow.
    assert len(choose_shapes(np.array([[10, 8]] + [[100, 40]] * 7), 8, 4)) == 1


def test_runs_are_cut_at_the_best_places():
    rng = np.random.default_rng(1)
    sizes = np.stack([rng.integers(1, 30, 20), np.full(20, 8)], axis=1)
    ordered = sizes[np.argsort(sizes[:, 0], kind="stable")]
    best = min(
        len(part) * part[-1, 0] * 8 + len(rest) * rest[-1, 0] * 8
        for part, rest in ((ordered[:i], ordered[i:]) for i in range(1, 20))
    )
    assert cost(choose_shapes(sizes, 1, 2), 1) == best


def test_sizes_count_atoms_and_neighbours(mixed):
    sizes = sizes_of([mixed[0], mixed[-1]], 4.0)
    np.testing.assert_array_equal(sizes[:, 0], [4, 8])
    vectors = mixed[0].positions[:, None] - mixed[0].positions
    shifts = np.array(np.meshgrid(*[range(-3, 4)] * 3)).reshape(3, -1).T @ mixed[0].cell
    distances = np.linalg.norm(vectors[:, :, None] + shifts, axis=-1)
    near = (distances < 4.0) & (distances > 1e-9)
    assert sizes[0, 1] == near.sum(axis=(1, 2)).max()
