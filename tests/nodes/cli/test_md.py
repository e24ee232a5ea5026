from typer.testing import CliRunner

from nodes.dynamics import simulate as module
from nodes.training import runs
from zn_pipeline.cli.app import app


class Summary:
    """What a simulation gives."""

    lines = ("all steps done",)


def test_a_simulation_is_given_model_and_config(tmp_path, monkeypatch):
    (tmp_path / "md.yaml").write_text("duration: 5.0\ninitial_structure: a.xyz\nn_iner: 3\n")
    calls = []

    def run(model, params, config):
        calls.append((model, params, config.duration))
        return Summary()

    monkeypatch.setattr(runs, "load_trained", lambda path: (path.name, "params"))
    monkeypatch.setattr(module, "simulate", run)
    done = CliRunner().invoke(app, ["md", "models/a", str(tmp_path / "md.yaml")])
    assert "n_iner is not a key, did you mean n_inner?" in str(done.exception)
    (tmp_path / "md.yaml").write_text("duration: 5.0\ninitial_structure: a.xyz\n")
    done = CliRunner().invoke(app, ["md", "models/a", str(tmp_path / "md.yaml")])
    assert done.stdout == "all steps done\n"
    assert calls == [("a", "params", 5.0)]
