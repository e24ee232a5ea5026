import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.selection.features import DistanceHistogram
from nodes.selection.subsets import SelectFarthestPoints, SelectRandom, SelectUniform


def numbered(n):
    return [Atoms("H", positions=[[i, 0, 0]]) for i in range(n)]


def rows_of(frames):
    return [round(frame.positions[0, 0]) for frame in frames]


class PositionFeatures:
    """Features are the position of the first atom: distances between structures are known."""

    def features(self, frames):
        return np.array([frame.positions[0] for frame in frames]).reshape(-1, 3)


def selected(node):
    node.run()
    return node


@pytest.mark.parametrize("n_select", [1, 3, 10])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: SelectRandom(candidates=numbered(10), n_select=n),
        lambda n: SelectUniform(candidates=numbered(10), n_select=n),
        lambda n: SelectFarthestPoints(
            candidates=numbered(10), n_select=n, model=PositionFeatures()
        ),
    ],
)
def test_exactly_n_distinct_rows_and_everything_else_excluded(make, n_select):
    node = selected(make(n_select))
    assert len(set(node.rows.tolist())) == n_select
    assert rows_of(node.frames) == node.rows.tolist()
    rest = rows_of(node.excluded_frames)
    assert rest == sorted(set(range(10)) - set(node.rows.tolist()))


def test_random_follows_the_seed_alone_and_keeps_the_order():
    np.random.seed(1)  # noqa: NPY002
    first = selected(SelectRandom(candidates=numbered(50), n_select=10, seed=3)).rows.tolist()
    np.random.seed(2)  # noqa: NPY002
    again = selected(SelectRandom(candidates=numbered(50), n_select=10, seed=3)).rows.tolist()
    assert first == again == sorted(first)
    other = selected(SelectRandom(candidates=numbered(50), n_select=10, seed=4)).rows.tolist()
    assert first != other


def test_uniform_is_evenly_spaced():
    node = selected(SelectUniform(candidates=numbered(9), n_select=3))
    assert node.rows.tolist() == [0, 4, 8]


def test_farthest_points_come_first_and_keep_away_from_known_structures():
    known = [Atoms("H", positions=[[0.0, 0, 0]])]
    node = SelectFarthestPoints(
        candidates=numbered(9), n_select=3, model=PositionFeatures(), exclude=known
    )
    assert selected(node).rows.tolist() == [8, 4, 2]
    assert rows_of(node.frames) == [8, 4, 2]


def test_a_known_structure_is_never_chosen_again():
    node = SelectFarthestPoints(
        candidates=numbered(4), n_select=3, model=PositionFeatures(), exclude=numbered(2)
    )
    with pytest.raises(ValueError, match=r"n_select must be at most 2, .* received 3"):
        selected(node)


@pytest.mark.parametrize("n_select", [0, 5])
def test_a_number_out_of_range_is_refused(n_select):
    with pytest.raises(ValueError, match=rf"n_select must be in \[1, 4\].*received {n_select}"):
        selected(SelectUniform(candidates=numbered(4), n_select=n_select))


def test_distance_histogram_selects_the_odd_one_out():
    dimers = [Atoms("H2", positions=[[0, 0, 0], [d, 0, 0]]) for d in (1.0, 1.02, 1.04, 3.0)]
    node = SelectFarthestPoints(
        candidates=dimers, n_select=1, model=DistanceHistogram(), exclude=dimers[:1]
    )
    assert selected(node).rows.tolist() == [3]


def test_the_nodes_keep_the_contract():
    candidates = numbered(6)
    zn.testing.check_node(SelectRandom, candidates=candidates, n_select=3)
    zn.testing.check_node(SelectUniform, candidates=candidates, n_select=3)
    zn.testing.check_node(
        SelectFarthestPoints, candidates=candidates, n_select=3, model=PositionFeatures()
    )


def test_five_and_five_more_are_the_same_as_ten_at_once():
    rng = np.random.default_rng(0)
    candidates = [Atoms("H", positions=[row]) for row in 50.0 * rng.random((60, 3))]

    def chosen(n_select, exclude=None):
        return selected(
            SelectFarthestPoints(
                candidates=candidates, n_select=n_select, model=PositionFeatures(), exclude=exclude
            )
        )

    first, at_once = chosen(5), chosen(10)
    more = chosen(5, exclude=first.frames)
    assert [*first.rows, *more.rows] == at_once.rows.tolist()


@pytest.mark.parametrize("node_class", [SelectRandom, SelectUniform])
def test_known_structures_are_left_out(node_class):
    known = [*numbered(10)[2:5], Atoms("He")]
    node = selected(node_class(candidates=numbered(10), n_select=7, exclude=known))
    assert node.rows.tolist() == [0, 1, 5, 6, 7, 8, 9]
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 7\].*received 8"):
        selected(node_class(candidates=numbered(10), n_select=8, exclude=known))


def test_uniform_spaces_values_evenly():
    candidates = numbered(40)
    for k, frame in enumerate(candidates):
        frame.info["heat"] = float(k) ** 2
    node = selected(SelectUniform(candidates=candidates, n_select=4, value="info.heat"))
    assert node.rows.tolist() == [0, 23, 32, 39]
    rest = selected(
        SelectUniform(candidates=candidates, n_select=4, value="info.heat", exclude=node.frames)
    )
    assert rest.rows.tolist() == [1, 22, 31, 38]
