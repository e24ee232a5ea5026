"""Records in one step, and locks."""

import subprocess
import sys
from pathlib import Path

import pytest

from zn_pipeline.queues.jsonfiles import locked, read_json, write_json


def test_a_record_comes_back_and_leaves_nothing_else(tmp_path: Path):
    write_json(tmp_path / "a.json", {"x": [1, 2], "y": "ü"})
    write_json(tmp_path / "a.json", {"x": 1})
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", '{"x": ', "[1]", "\udcff"])
def test_a_damaged_record_is_none(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    assert read_json(tmp_path / "a.json") is None


def test_a_missing_record_is_none(tmp_path: Path):
    assert read_json(tmp_path / "a.json") is None


def test_a_lock_keeps_others_out_until_it_is_freed(tmp_path: Path):
    with locked(tmp_path / "lock"), pytest.raises(TimeoutError, match="must be free"):
        locked(tmp_path / "lock", timeout_seconds=0.1).__enter__()
    with locked(tmp_path / "lock", timeout_seconds=0):
        pass


def test_who_waited_for_a_lock_that_was_removed_holds_the_new_one(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from zn_pipeline.queues.jsonfiles import locked\n"
        "with locked(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with locked(tmp_path / "lock"):
        other = subprocess.Popen(command, **pipes)
        (tmp_path / "lock").unlink()
    assert other.stdout.readline() == "in\n"
    with pytest.raises(TimeoutError), locked(tmp_path / "lock", timeout_seconds=0):
        pass
    other.communicate("")
