import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.structures.splitting import SplitFrames


def numbered(n):
    return [Atoms("H", positions=[[i, 0, 0]]) for i in range(n)]


def rows_of(frames):
    return [int(frame.positions[0, 0]) for frame in frames]


def test_sets_are_disjoint_and_cover_everything():
    node = SplitFrames(structures=numbered(20), n_valid=5, n_test=3)
    node.run()
    rows = [*node.train_rows, *node.valid_rows, *node.test_rows]
    assert sorted(rows) == list(range(20))
    assert (len(node.train_rows), len(node.valid_rows), len(node.test_rows)) == (12, 5, 3)


def test_frames_belong_to_the_rows_in_ascending_order():
    node = SplitFrames(structures=numbered(20), n_valid=5, n_test=3, n_train=7)
    node.run()
    for name in ("train", "valid", "test"):
        rows = getattr(node, f"{name}_rows").tolist()
        assert rows == sorted(rows) == rows_of(getattr(node, f"{name}_frames"))
    assert len(node.train_rows) == 7


def test_the_seed_alone_decides():
    def rows(seed):
        node = SplitFrames(structures=numbered(30), n_valid=10, seed=seed)
        node.run()
        return node.valid_rows.tolist()

    np.random.seed(1)  # noqa: NPY002
    first = rows(4)
    np.random.seed(2)  # noqa: NPY002
    assert rows(4) == first != rows(5)


@pytest.mark.parametrize(("valid", "test", "train"), [(3, 2, None), (4, 4, 1), (-1, 0, None)])
def test_sizes_that_do_not_fit_are_refused(valid, test, train):
    node = SplitFrames(structures=numbered(5), n_valid=valid, n_test=test, n_train=train)
    with pytest.raises(ValueError, match="add up to at most 5 structures, received"):
        node.run()


def test_the_node_keeps_the_contract():
    zn.testing.check_node(SplitFrames, structures=numbered(9), n_valid=2, n_test=3)
