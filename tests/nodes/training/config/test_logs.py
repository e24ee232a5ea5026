import pytest
from pydantic import TypeAdapter, ValidationError

from nodes.training.config.logs import Callback, ProgressBarConfig


def test_callbacks_are_told_apart_by_name():
    adapter = TypeAdapter(Callback)
    needed = {"csv": {}, "tensorboard": {}, "dvc": {}, "mlflow": {"experiment": "x"}}
    for name, more in needed.items():
        assert adapter.validate_python({"name": name} | more).name == name
    with pytest.raises(ValidationError, match="pruning"):
        adapter.validate_python({"name": "pruning"})


def test_a_bar_of_epochs_is_shown_unless_told_otherwise():
    assert not ProgressBarConfig().disable_epoch_pbar
