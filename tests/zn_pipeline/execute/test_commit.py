import pytest

from zn_pipeline.execute.commit import Writer, common_folder, lock_entry
from zn_pipeline.execute.stages import Stage
from zn_pipeline.records import FileHash, StageResult
from zn_pipeline.store.lockfile import LockFile
from zn_pipeline.store.objects import HashState, hash_path
from zn_pipeline.store.repository import Repository


@pytest.fixture
def writer(tmp_project):
    repository = Repository.find(tmp_project.path)
    lock = LockFile(tmp_project.path / "dvc.lock")
    return Writer(repository, lock, HashState(repository.tmp / "hashes.json"))


def finished(tmp_project, name, *, cached=True):
    """Write the outputs of a stage and return it with its result."""
    tmp_project.write(f"outs/{name}/a.txt", "a")
    tmp_project.write(f"outs/{name}/folder/b.txt", "b")
    paths = [f"outs/{name}/a.txt", f"outs/{name}/folder"]
    outs = [{path: {"cache": cached}} for path in paths]
    stage = Stage.from_entry(name, {"cmd": f"run {name}", "outs": outs})
    hashes = {path: hash_path(tmp_project.path / path) for path in paths}
    trees = {path: tree for path, (_, tree) in hashes.items() if tree is not None}
    return stage, StageResult(name, "k", {p: h[0] for p, h in hashes.items()}, trees)


def test_a_committed_result_can_be_restored_under_another_name(writer, tmp_project):
    stage, result = finished(tmp_project, "A")
    expected = {"cmd": stage.cmd}
    outs = writer.commit(stage, expected, "content-key", result)
    assert not writer.lock.path.exists(), "the lock file is written in batches"
    writer.flush(now=True)
    assert LockFile(writer.lock.path).entry("A") == lock_entry(expected, outs)
    other, _ = finished(tmp_project, "B")
    for file in ("a.txt", "folder/b.txt"):
        (tmp_project.path / "outs" / "B" / file).unlink()
    found = writer.earlier(other, {"cmd": other.cmd}, "content-key")
    assert set(found) == {"outs/B/a.txt", "outs/B/folder"}
    assert writer.restore(other, {"cmd": other.cmd}, found)
    assert (tmp_project.path / "outs" / "B" / "folder" / "b.txt").read_text() == "b"
    assert writer.earlier(other, {"cmd": "x"}, "another key") is None


def test_the_run_cache_of_dvc_is_asked_too(writer, tmp_project):
    stage, result = finished(tmp_project, "A")
    expected = {"cmd": stage.cmd, "deps": [{"path": "d", "hash": "md5", "md5": "1", "size": 1}]}
    writer.commit(stage, expected, "content-key", result)
    assert writer.earlier(stage, expected, "another key") == dict(result.outs)


def test_content_that_is_gone_is_not_restored(writer, tmp_project):
    stage, result = finished(tmp_project, "A")
    writer.commit(stage, {"cmd": "x"}, "key", result)
    writer.cache.path(result.outs["outs/A/a.txt"].md5).unlink()
    assert not writer.restore(stage, {"cmd": "x"}, result.outs)


def test_what_is_not_cached_is_neither_stored_nor_restored(writer, tmp_project):
    stage, result = finished(tmp_project, "A", cached=False)
    writer.commit(stage, {"cmd": "x"}, "key", result)
    assert not (writer.cache.folder / "files").exists()
    assert writer.earlier(stage, {"cmd": "x"}, "key") is None
    assert not writer.restore(stage, {"cmd": "x"}, result.outs)


def test_scratch_goes_when_the_result_is_written(writer, tmp_project):
    stage, result = finished(tmp_project, "A")
    scratch = writer.repository.scratch("k")
    scratch.mkdir(parents=True)
    writer.commit(stage, {"cmd": "x"}, "key", result)
    assert scratch.exists()
    writer.flush(now=True)
    assert not scratch.exists()


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["outs/A/a"], "outs/A/"),
        (["outs/A/a", "outs/A/b/c"], "outs/A/"),
        (["outs/A/a", "data/b"], ""),
        (["a"], ""),
        ([], ""),
    ],
)
def test_common_folder(paths, folder):
    assert common_folder(Stage.from_entry("A", {"cmd": "x", "outs": paths})) == folder


def test_lock_entries_are_sorted():
    outs = {"b": FileHash("1", 1), "a": FileHash("2", 2)}
    assert [out["path"] for out in lock_entry({"cmd": "x"}, outs)["outs"]] == ["a", "b"]
