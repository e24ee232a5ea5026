import pytest

from nodes.schema.reading import ConfigError, check_config
from nodes.training.config.fit import LossConfig, MetricConfig, OptimizerConfig


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (LossConfig, {"name": "energy", "parameters": {"delta": 1.0}}, "delta must be given for"),
        (LossConfig, {"name": "energy", "weight": -1.0}, "weight must be greater than or equal"),
        (MetricConfig, {"name": "energy", "reductions": []}, "reductions"),
        (OptimizerConfig, {"schedule": {"name": "linaer"}}, "did you mean linear"),
        (OptimizerConfig, {"schedule": {"name": "warmup_cosine", "warm_up": 1.0}}, "less than 1"),
        (OptimizerConfig, {"lr": 1e-3}, "lr is not a key"),
    ],
)
def test_what_does_not_fit_is_explained(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        check_config(values, kind)


def test_learning_rates_are_those_of_apax():
    optimizer = OptimizerConfig()
    rates = (optimizer.emb_lr, optimizer.nn_lr, optimizer.scale_lr, optimizer.shift_lr)
    assert rates == (1e-3, 1e-3, 1e-4, 3e-3)
    assert optimizer.schedule.end_value == 1e-6
