import types

import pytest

from nodes.training.callbacks import mlflow_run
from nodes.training.callbacks.mlflow_run import MlflowRun


class Fake:
    """What mlflow would do."""

    def __init__(self):
        self.calls = []

    def start_run(self, run_id=None):
        self.calls.append(("start_run", run_id))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id or "new"))

    def __getattr__(self, name):
        return lambda *arguments, **named: self.calls.append((name, *arguments, *named.values()))


@pytest.fixture
def fake(monkeypatch):
    module = Fake()
    monkeypatch.setattr(mlflow_run, "require", lambda *_, **__: module)
    return module


def test_a_run_has_settings_and_metrics(fake, tmp_path):
    run = MlflowRun("group/name", tmp_path / "id.txt", {"n_epochs": 3})
    run.open(1)
    run.write({"epoch": 2, "val_loss": 0.5})
    run.close()
    assert fake.calls == [
        ("set_experiment", "group/name"),
        ("start_run", None),
        ("log_params", {"n_epochs": "3"}),
        ("log_metrics", {"val_loss": 0.5}, 2),
        ("end_run",),
    ]
    assert (tmp_path / "id.txt").read_text() == "new\n"


def test_a_run_that_goes_on_is_the_same(fake, tmp_path):
    (tmp_path / "id.txt").write_text("old\n")
    MlflowRun("name", tmp_path / "id.txt", {}).open(5)
    assert ("start_run", "old") in fake.calls
    fake.calls.clear()
    MlflowRun("name", tmp_path / "id.txt", {}).open(1)
    assert ("start_run", None) in fake.calls
