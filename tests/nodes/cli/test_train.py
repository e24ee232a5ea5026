from typer.testing import CliRunner

from nodes.training import runs
from zn_pipeline.cli.app import app

FILE = """
n_epochs: 3
data: {directory: m, experiment: e, data_path: a.xyz}
loss: [{name: energy}]
model: {name: gmnn, calc_stress: true}
"""


class Summary:
    """What a run gives."""

    lines = ("one line", "two lines")


def test_a_run_is_given_the_config(tmp_path, monkeypatch):
    (tmp_path / "c.yaml").write_text(FILE)
    calls = []

    def run(config, *, fresh):
        calls.append((config.n_epochs, fresh))
        return Summary()

    monkeypatch.setattr(runs, "train", run)
    done = CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml")])
    assert done.stdout == "one line\ntwo lines\n"
    assert "note: model.calc_stress has no effect" in done.stderr
    CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml"), "--fresh"])
    assert calls == [(3, False), (3, True)]


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "c.yaml").write_text(FILE)
    monkeypatch.setitem(__import__("sys").modules, "optax", None)
    done = CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml")])
    assert 'pip install "zn-pipeline[jax]"' in str(done.exception)
