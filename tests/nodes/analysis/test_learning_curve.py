import matplotlib.image
import pytest

import zn_pipeline as zn
from nodes.analysis.learning_curve import PlotLearningCurve


def evaluation(value):
    row = {
        f"{kind}{bound}": value * factor
        for kind in ("mae", "rmse")
        for bound, factor in (("", 1.0), ("_low", 0.9), ("_high", 1.2))
    }
    return {"energy": row, "forces": {key: 10 * number for key, number in row.items()}}


def test_the_curve_is_sorted_by_size_and_keeps_the_intervals():
    node = PlotLearningCurve(n_train=[40, 10], evaluations=[evaluation(1.0), evaluation(3.0)])
    node.run()
    assert node.curve["n_train"].tolist() == [10, 40]
    assert node.curve["energy_mae"].tolist() == [3.0, 1.0]
    assert node.curve["forces_rmse_high"].tolist() == [36.0, 12.0]
    assert matplotlib.image.imread(node.image).ndim == 3


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"one entry for each model, .* received 2 and 1"):
        PlotLearningCurve(n_train=[1, 2], evaluations=[evaluation(1.0)]).run()
    with pytest.raises(ValueError, match="received 0 and 0"):
        PlotLearningCurve(n_train=[], evaluations=[]).run()


def test_the_node_keeps_the_contract():
    evaluations = [evaluation(3.0), evaluation(1.0)]
    zn.testing.check_node(PlotLearningCurve, n_train=[10, 40], evaluations=evaluations)
