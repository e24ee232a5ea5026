import types

import pytest

import zn_pipeline as zn
from nodes.training.callbacks import tensorboard
from nodes.training.callbacks.tensorboard import TensorBoard


class Writer:
    """What tensorboardX would do."""

    def __init__(self, directory, purge_step=None):
        self.points, self.purge_step, self.closed = [], purge_step, False
        Writer.last = self

    def add_scalar(self, tag, value, step):
        self.points.append((tag, value, step))

    def flush(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def fake(monkeypatch):
    module = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setattr(tensorboard, "require", lambda *_, **__: module)


def test_each_column_is_a_curve(fake, tmp_path):
    log = TensorBoard(tmp_path / "tb")
    log.open(1)
    log.write({"epoch": 3, "val_forces_mae": 0.5, "learning_rate": 1e-3})
    log.close()
    assert Writer.last.points == [("val/forces_mae", 0.5, 3), ("learning_rate", 1e-3, 3)]
    assert Writer.last.closed
    assert Writer.last.purge_step is None


def test_later_epochs_of_a_run_before_are_dropped(fake, tmp_path):
    (tmp_path / "events").touch()
    TensorBoard(tmp_path).open(4)
    assert Writer.last.purge_step == 4


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(zn.MissingExtraError, match=r"zn-pipeline\[tensorboard\]"):
        TensorBoard(tmp_path)
