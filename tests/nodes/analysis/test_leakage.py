import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.analysis.leakage import ReportLeakage


def crystal(seed, sigma=0.1):
    frame = ase.build.bulk("Cu", cubic=True)
    frame.positions += sigma * np.random.default_rng(seed).normal(size=(4, 3))
    return frame


def turned(frame):
    other = frame[[2, 0, 3, 1]]
    other.rotate(50.0, (1, 1, 0), rotate_cell=True)
    other.translate([0.5, 0.1, -3.0])
    return other


def nudged(frame, size):
    other = frame.copy()
    other.positions[1, 0] += size
    return other


class FirstAtom:
    """Features are the positions: distances are known."""

    def features(self, frames):
        return np.array([frame.positions.ravel() for frame in frames])


def report(**fields):
    node = ReportLeakage(**fields)
    node.run()
    return node


TRAIN = [crystal(seed) for seed in range(6)]


def test_duplicates_are_found_between_and_within_sets():
    node = report(
        train_frames=[*TRAIN, turned(TRAIN[0])],
        valid_frames=[crystal(10), turned(TRAIN[3])],
        test_frames=[crystal(10), crystal(11), crystal(12), TRAIN[5]],
    )
    found = {tuple(row) for row in node.pairs.drop(columns="distance").itertuples(index=False)}
    assert found == {
        ("duplicate", "train", 0, "train", 6),
        ("duplicate", "train", 3, "valid", 1),
        ("duplicate", "train", 5, "test", 3),
        ("duplicate", "valid", 0, "test", 0),
    }
    assert node.metrics["train/valid"] == {
        "n_duplicates": 1,
        "n_near": 0,
        "leaked_fraction": 0.5,
    }
    assert node.metrics["train/test"]["leaked_fraction"] == 0.25
    assert node.metrics["train/train"] == {"n_duplicates": 1, "n_near": 0}
    assert node.metrics["test/test"] == {"n_duplicates": 0, "n_near": 0}
    assert "spread" not in node.metrics


def test_near_structures_are_found_by_their_features_on_the_scale_of_the_training_set():
    test = [nudged(TRAIN[2], 0.01), nudged(TRAIN[4], 0.5)]
    rows = np.array([frame.positions.ravel() for frame in TRAIN])
    spread = np.sqrt(np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1)))
    node = report(
        train_frames=TRAIN, test_frames=test, descriptor=FirstAtom(), threshold=0.02 / spread
    )
    (pair,) = node.pairs.to_dict("records")
    assert pair.pop("distance") == pytest.approx(0.01 / spread)
    assert pair == {"kind": "near", "set_a": "train", "row_a": 2, "set_b": "test", "row_b": 0}
    assert node.metrics["train/test"] == {
        "n_duplicates": 0,
        "n_near": 1,
        "leaked_fraction": 0.5,
    }
    assert node.metrics["spread"] == pytest.approx(spread)


def test_a_duplicate_is_listed_once_and_the_list_may_be_cut_short():
    node = report(
        train_frames=TRAIN,
        test_frames=[TRAIN[1], nudged(TRAIN[0], 0.001)],
        descriptor=FirstAtom(),
        threshold=0.1,
        max_pairs=1,
    )
    assert node.pairs.kind.tolist() == ["duplicate"]
    assert (node.pairs.row_a[0], node.pairs.row_b[0]) == (1, 0)
    assert node.metrics["train/test"]["n_duplicates"] == 1
    assert node.metrics["train/test"]["n_near"] == 1


def test_unusable_inputs_are_refused():
    with pytest.raises(ValueError, match="must differ in their features, received 2"):
        report(train_frames=[TRAIN[0], TRAIN[0]], descriptor=FirstAtom())
    with pytest.raises(ValueError, match="must not be negative, received -1"):
        report(train_frames=TRAIN, threshold=-1.0)


def test_the_node_keeps_the_contract():
    zn.testing.check_node(
        ReportLeakage, train_frames=TRAIN, test_frames=[crystal(9)], descriptor=FirstAtom()
    )
