from typer.testing import CliRunner

from nodes.training import evaluation
from zn_pipeline.cli.app import app


def test_errors_are_printed_as_a_table(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(
        "n_epochs: 3\ndata: {directory: m, experiment: e, data_path: a}\nloss: [{name: energy}]\n"
    )
    asked = []

    def run(config, *, n_data):
        asked.append((config.n_epochs, n_data))
        return {"n_structures": 2, "energy_mae": 1e-3, "energy_rmse": 2e-3, "energy_max": 3e-3}

    monkeypatch.setattr(evaluation, "evaluate", run)
    done = CliRunner().invoke(app, ["eval", str(tmp_path), "--n-data", "2"])
    assert done.stdout.splitlines()[1].split() == ["energy", "1", "2", "3", "meV/atom"]
    assert "m/e/test_metrics.json" in done.stdout
    CliRunner().invoke(app, ["eval", str(tmp_path / "config.yaml")])
    assert asked == [(3, 2), (3, None)]
