from nodes.numerics.fit.metrics import EpochMetrics
from nodes.training.callbacks.csv_file import CsvFile
from nodes.training.callbacks.dvc_live import DvcLive
from nodes.training.callbacks.opening import EpochLog, callbacks_of
from nodes.training.callbacks.progress import ProgressBar
from nodes.training.config.train import TrainConfig


def settings(**values):
    data = {"directory": "m", "experiment": "e", "data_path": "a.xyz"}
    return TrainConfig(n_epochs=3, data=data, loss=({"name": "energy"},), **values)


def test_callbacks_are_those_of_the_config():
    config = settings(callbacks=({"name": "csv"}, {"name": "dvc", "directory": "live"}))
    csv_file, live, bar = callbacks_of(config)
    assert isinstance(csv_file, CsvFile)
    assert str(csv_file.path) == "m/e/log.csv"
    assert isinstance(live, DvcLive)
    assert str(live.directory) == "m/e/live"
    assert isinstance(bar, ProgressBar)
    assert callbacks_of(settings(callbacks=(), progress_bar={"disable_epoch_pbar": True})) == []


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def open(self, epoch):
        self.told.append(("open", epoch))

    def write(self, row):
        self.told.append(("row", row["epoch"], row["train_loss"]))

    def close(self):
        self.told.append(("close",))


def test_all_are_opened_at_the_first_epoch_that_comes_and_closed():
    recorder = Recorder()
    with EpochLog(settings(), [recorder]) as log:
        log(EpochMetrics(4, 0.5))
        log(EpochMetrics(5, 0.25))
    assert recorder.told == [("open", 4), ("row", 4, 0.5), ("row", 5, 0.25), ("close",)]


def test_a_run_without_a_new_epoch_opens_nothing():
    recorder = Recorder()
    with EpochLog(settings(), [recorder]):
        pass
    assert recorder.told == []
