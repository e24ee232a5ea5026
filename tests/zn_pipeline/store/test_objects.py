import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from zn_pipeline.records import FileHash
from zn_pipeline.store.objects import (
    HashState,
    ObjectCache,
    files_below,
    hash_path,
    md5_of_file,
    remove,
    tree_bytes,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "sub").mkdir(parents=True)
    (made / "b.txt").write_text("bb")
    (made / "a.txt").write_text("a")
    (made / "sub" / "c.txt").write_text("ccc")
    return made


def test_a_file_has_the_md5_of_its_bytes(tmp_path: Path):
    file = tmp_path / "f"
    file.write_bytes(b"x" * (3 << 20))
    assert md5_of_file(file) == hashlib.md5(file.read_bytes()).hexdigest()
    assert hash_path(file) == (FileHash(md5_of_file(file), 3 << 20), None)
    file.chmod(0o755)
    assert hash_path(file)[0].isexec


def test_a_folder_hashes_as_dvc_does(folder: Path, tmp_project):
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    system = LocalFileSystem()
    database = HashFileDB(system, str(tmp_project.path / "db"))
    _, _, theirs = build(database, str(folder), system, "md5")
    content, tree = hash_path(folder)
    assert content == FileHash(theirs.hash_info.value, 6, 3)
    assert tree_bytes(tree) == theirs.as_bytes()


def test_missing_paths(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        hash_path(tmp_path / "nothing")


def test_files_below_is_sorted(folder: Path):
    names = [file.relative_to(folder).as_posix() for file in files_below(folder)]
    assert names == ["a.txt", "b.txt", "sub/c.txt"]


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch):
    file, store = tmp_path / "f", tmp_path / "state.json"
    file.write_text("one")
    state = HashState(store)
    first = hash_path(file, state)[0]
    state.save()
    again = HashState(store)
    calls = []
    monkeypatch.setattr(
        "zn_pipeline.store.objects.md5_of_file", lambda path: calls.append(path) or "new"
    )
    assert hash_path(file, again)[0] == first
    assert not calls
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert hash_path(file, again)[0].md5 == "new"
    again.note(file, "given")
    assert hash_path(file, again)[0].md5 == "given"
    assert len(calls) == 1


def test_a_broken_state_file_is_forgotten(tmp_path: Path):
    store = tmp_path / "state.json"
    store.write_text("{broken")
    file = tmp_path / "f"
    file.write_text("x")
    assert hash_path(file, HashState(store))[0].md5 == md5_of_file(file)


@pytest.mark.parametrize("links", [("reflink", "copy"), ("hardlink",), ("symlink",), ("copy",)])
def test_content_goes_in_and_comes_out(folder: Path, tmp_path: Path, links):
    cache = ObjectCache(tmp_path / "cache", links)
    content, tree = hash_path(folder)
    assert not cache.has(content)
    cache.add(folder, content, tree)
    assert cache.has(content)
    assert cache.tree(content.md5) == json.loads(tree_bytes(tree))
    assert all(not stat.S_IMODE(f.stat().st_mode) & 0o222 for f in files_below(cache.folder))
    target = tmp_path / "elsewhere" / "copy"
    target.mkdir(parents=True)
    (target / "old.txt").write_text("old")
    cache.checkout(content, target)
    assert hash_path(target)[0] == content
    cache.path(tree[0]["md5"]).unlink()
    assert not cache.has(content)


def test_an_object_that_was_overwritten_is_dropped(folder: Path, tmp_path: Path):
    cache = ObjectCache(tmp_path / "cache")
    content, tree = hash_path(folder)
    cache.add(folder, content, tree)
    harmed = cache.path(tree[0]["md5"])
    harmed.chmod(0o644)
    assert cache.has(content), "its content is still right"
    harmed.write_text("other")
    assert not cache.has(content)
    assert not harmed.exists()
    cache.add(folder, content, tree)
    assert cache.has(content)


def test_executable_files_stay_executable(tmp_path: Path):
    file = tmp_path / "tool"
    file.write_text("#!")
    file.chmod(0o755)
    content, _ = hash_path(file)
    cache = ObjectCache(tmp_path / "cache")
    cache.add(file, content, None)
    file.unlink()
    cache.checkout(content, file)
    assert os.access(file, os.X_OK)
    assert hash_path(file)[0] == content


def test_a_copy_can_be_written_and_the_cache_cannot_be_harmed(tmp_path: Path):
    file = tmp_path / "f"
    file.write_text("one")
    content, _ = hash_path(file)
    cache = ObjectCache(tmp_path / "cache")
    cache.add(file, content, None)
    cache.checkout(content, file)
    file.chmod(0o644)
    file.write_text("two")
    assert md5_of_file(cache.path(content.md5)) == content.md5


def test_remove(folder: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    remove(link)
    assert folder.exists()
    remove(folder)
    remove(folder)
    assert not folder.exists()
