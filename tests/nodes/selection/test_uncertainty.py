import numpy as np
import pytest
from ase import Atoms

import zn_pipeline as zn
from nodes.selection.uncertainty import SelectByThreshold

SPREAD = [0.1, 0.9, 0.5, 0.7, 0.2]


def frames():
    found = [Atoms("H2", positions=[[0, 0, k], [0, 0, k + 1]]) for k in range(len(SPREAD))]
    for frame, size in zip(found, SPREAD, strict=True):
        frame.arrays["forces_std"] = np.array([[0.0, 0.0, 0.0], [0.0, size, 0.0]])
        frame.info["energy_std"] = 1.0 - size
    return found


class Predicting:
    def predict(self, given):
        predicted = [frame.copy() for frame in given]
        for number, frame in enumerate(predicted):
            frame.arrays["forces_std"] = np.full((2, 3), float(number))
        return predicted


def chosen(**fields):
    node = SelectByThreshold(candidates=frames(), **fields)
    node.run()
    return node


def test_structures_above_the_threshold_keep_their_order():
    node = chosen(threshold=0.4)
    assert node.rows.tolist() == [1, 2, 3]
    np.testing.assert_allclose(node.values, SPREAD)
    assert node.metrics == {
        "n_candidates": 5,
        "n_above": 3,
        "n_selected": 3,
        "highest": 0.9,
        "mean": pytest.approx(0.48),
    }
    assert chosen(threshold=0.4, n_select=2).rows.tolist() == [1, 3]
    assert chosen(threshold=0.6, value="info.energy_std").rows.tolist() == [0, 4]
    assert chosen(threshold=2.0).rows.tolist() == []


def test_known_structures_are_not_chosen_and_n_is_exact():
    known = frames()[1:2]
    assert chosen(threshold=0.4, exclude=known).rows.tolist() == [2, 3]
    with pytest.raises(ValueError, match=r"in \[1, 2\], the number of values above 0.4"):
        chosen(threshold=0.4, exclude=known, n_select=3)


def test_a_model_predicts_first():
    assert chosen(threshold=4.0, model=Predicting()).rows.tolist() == [3, 4]


def test_the_node_keeps_the_contract():
    zn.testing.check_node(SelectByThreshold, candidates=frames(), threshold=0.4)
