import io

from rich.console import Console

from nodes.training.callbacks.progress import ProgressBar, summary

ROW = {
    "epoch": 2, "train_loss": 1.25, "val_loss": 0.5, "val_energy_per_atom_mae": 2.9e-3,
    "val_forces_mae": 0.043,
}  # fmt: skip


def test_the_text_has_loss_and_errors():
    assert summary(ROW) == "loss 1.25  val 0.5  E 2.9 meV/atom  F 43 meV/A"
    assert summary({"epoch": 1, "train_loss": 1.0, "train_forces_mae": 0.1}) == (
        "loss 1  F 100 meV/A"
    )


def test_a_terminal_shows_epoch_errors_and_time_left():
    file = io.StringIO()
    bar = ProgressBar(4, Console(file=file, force_terminal=True, width=120))
    bar.open(1)
    bar.write(ROW)
    bar.close()
    text = file.getvalue()
    assert "2/4" in text
    assert "E 2.9 meV/atom" in text
    assert ":" in text


def test_without_a_terminal_there_is_a_line_now_and_then():
    file = io.StringIO()
    bar = ProgressBar(50, Console(file=file, width=120))
    bar.open(1)
    for epoch in range(1, 51):
        bar.write(ROW | {"epoch": epoch})
    bar.close()
    lines = file.getvalue().splitlines()
    assert len(lines) < 5
    assert lines[0].startswith("epoch 1/50  loss 1.25")
    assert lines[-1].startswith("epoch 50/50")
