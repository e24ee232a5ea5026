from pathlib import Path

import pytest
import yaml

from zn_pipeline.store.lockfile import LockFile, parse_lock

OLD = """\
schema: '2.0'
stages:
  a:
    cmd: run a
    outs:
    - path: o
      hash: md5
      md5: d41d8cd98f00b204e9800998ecf8427e
      size: 0
  b:
    cmd: run b
"""


@pytest.fixture
def lock(tmp_path: Path) -> LockFile:
    (tmp_path / "dvc.lock").write_text(OLD)
    return LockFile(tmp_path / "dvc.lock")


def test_entries_are_read_when_asked_for(lock):
    assert lock.entry("b") == {"cmd": "run b"}
    assert lock.entry("a")["outs"][0]["md5"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert lock.entry("c") is None
    assert lock.names() == {"a", "b"}


def test_changes_are_written_at_once_and_leave_the_rest(lock):
    lock.set("c", {"cmd": "run c"})
    lock.drop(["b"])
    assert lock.dirty
    assert lock.entry("b") is None
    assert lock.names() == {"a", "c"}
    assert lock.path.read_text() == OLD
    lock.flush()
    assert not lock.dirty
    expected = OLD.replace("  b:\n    cmd: run b\n", "  c:\n    cmd: run c\n")
    assert lock.path.read_text() == expected
    assert LockFile(lock.path).entry("c") == {"cmd": "run c"}


def test_what_others_wrote_in_between_is_kept(lock):
    lock.set("c", {"cmd": "run c"})
    lock.path.write_text(OLD + "  dvc:\n    cmd: stock\n")
    lock.flush()
    assert set(yaml.safe_load(lock.path.read_text())["stages"]) == {"a", "b", "c", "dvc"}


def test_nothing_to_write_touches_nothing(tmp_path: Path):
    lock = LockFile(tmp_path / "dvc.lock")
    lock.flush()
    assert not lock.path.exists()
    lock.set("a", {"cmd": "x"})
    lock.flush()
    assert yaml.safe_load(lock.path.read_text()) == {
        "schema": "2.0", "stages": {"a": {"cmd": "x"}}
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": "2.0", "stages": {"a": {"cmd": "x"}}}',
        "stages: {a: {cmd: x}}\nschema: '2.0'\n",
        "stages:\n  a:\n    cmd: x\nschema: '2.0'\n",
        "# made by hand\nschema: '2.0'\nstages:\n  a:\n    cmd: x\n",
    ],
)
def test_other_styles(text):
    texts, entries = parse_lock(text)
    stages = {name: yaml.safe_load(part)[name] for name, part in texts.items()}
    assert stages == {"a": {"cmd": "x"}}
    assert entries in ({}, stages)


def test_no_mapping_is_an_error():
    with pytest.raises(ValueError, match="must hold a mapping"):
        parse_lock("- a\n")
