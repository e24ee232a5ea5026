from nodes.training.callbacks.csv_file import CsvFile


def test_rows_are_there_as_soon_as_they_are_written(tmp_path):
    log = CsvFile(tmp_path / "a" / "log.csv")
    log.open(1)
    log.write({"epoch": 1, "train_loss": 0.5})
    assert log.path.read_text() == "epoch,train_loss\n1,0.5\n"
    log.write({"epoch": 2, "train_loss": 0.25})
    log.close()
    assert log.path.read_text() == "epoch,train_loss\n1,0.5\n2,0.25\n"


def test_rows_after_the_checkpoint_are_replaced(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,train_loss\n1,0.5\n2,0.25\n3,0.2\n4,0.")
    log = CsvFile(path)
    log.open(3)
    log.write({"epoch": 3, "train_loss": 0.125})
    assert path.read_text() == "epoch,train_loss\n1,0.5\n2,0.25\n3,0.125\n"


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,train_loss,val_loss\n1,0.5,1\n2,0.25")
    log = CsvFile(path)
    log.open(3)
    assert path.read_text() == "epoch,train_loss,val_loss\n1,0.5,1\n"


def test_a_new_run_begins_with_an_empty_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,other\n1,0.5\n")
    log = CsvFile(path)
    log.open(1)
    log.write({"epoch": 1, "train_loss": 0.5})
    assert path.read_text() == "epoch,train_loss\n1,0.5\n"
