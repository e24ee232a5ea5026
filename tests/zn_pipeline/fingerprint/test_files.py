import os
from pathlib import Path

import pytest

from zn_pipeline.fingerprint.files import content_digest


def test_the_content_counts_and_not_the_name(tmp_path: Path):
    for name, text in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "")]:
        (tmp_path / name).write_text(text)
    a, b, c, d = (content_digest(tmp_path / name) for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3
    assert len(a) == 32


def test_folders_count_as_a_tree(tmp_path: Path):
    def tree(name: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return content_digest(tmp_path / name)

    first = tree("one", {"a": "1", "deep/b": "2"})
    assert tree("two", {"deep/b": "2", "a": "1"}) == first
    assert tree("three", {"a": "1", "b": "2"}) != first
    assert tree("four", {"a": "1", "deep/b": "3"}) != first
    assert tree("one", {"new": ""}) != first


def test_a_file_is_read_again_when_it_changes(tmp_path: Path):
    file = tmp_path / "model"
    file.write_text("one")
    os.utime(file, (1e9, 1e9))
    before = content_digest(file)
    assert content_digest(file) == before
    file.write_text("two")
    assert content_digest(file) != before, "same size and name, other time"
    file.write_text("one")
    assert content_digest(file) == before


def test_an_unchanged_file_is_not_read_again(tmp_path: Path):
    file = tmp_path / "model"
    file.write_text("one")
    os.utime(file, (1e9, 1e9))
    before = content_digest(file)
    file.write_text("two")
    os.utime(file, (1e9, 1e9))
    assert content_digest(file) == before


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        content_digest(tmp_path / "nothing")
