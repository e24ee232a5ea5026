import json

from nodes.training.callbacks.dvc_live import DvcLive


def test_metrics_and_plots_are_rewritten_every_epoch(tmp_path):
    live = DvcLive(tmp_path / "live")
    live.open(1)
    live.write({"epoch": 1, "val_loss": 2.0})
    live.write({"epoch": 2, "val_loss": 1.0})
    live.close()
    assert json.loads((tmp_path / "live/metrics.json").read_text()) == {"epoch": 2, "val_loss": 1.0}
    plot = tmp_path / "live/plots/val_loss.tsv"
    assert plot.read_text() == "epoch\tval_loss\n1\t2.0\n2\t1.0\n"


def test_a_run_that_goes_on_keeps_earlier_epochs(tmp_path):
    first = DvcLive(tmp_path)
    first.open(1)
    for epoch in (1, 2, 3):
        first.write({"epoch": epoch, "val_loss": float(epoch)})
    again = DvcLive(tmp_path)
    again.open(2)
    again.write({"epoch": 2, "val_loss": 7.0})
    assert (tmp_path / "plots/val_loss.tsv").read_text() == "epoch\tval_loss\n1\t1.0\n2\t7.0\n"


def test_dvc_finds_the_files_through_dvc_yaml(tmp_path):
    DvcLive(tmp_path).open(1)
    text = (tmp_path / "dvc.yaml").read_text()
    assert "metrics.json" in text
    assert "plots" in text
