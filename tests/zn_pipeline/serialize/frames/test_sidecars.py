"""What a file was made from."""

import os
from pathlib import Path

import pytest

from zn_pipeline.serialize.frames import read_keys
from zn_pipeline.serialize.frames.sidecars import (
    Sidecar,
    content_digest,
    digest_of,
    sidecar_path,
    write_sidecar_parts,
)

KEYS = [bytes([number]) * 20 for number in range(3)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.h5"
    path.write_bytes(b"content")
    ((part, target),) = write_sidecar_parts([(path, path)], KEYS, "made from")
    assert target == sidecar_path(path) == tmp_path / "a.h5.keys"
    assert not target.exists()
    part.replace(target)
    return path


def test_keys_in_order(file: Path):
    assert read_keys(file) == KEYS
    assert Sidecar.read(file).made_from == "made from"


def test_keys_of_a_set_are_with_its_first_file(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "a.h5", tmp_path / "sub" / "b.h5"]
    for file in files:
        file.write_bytes(b"x")
    for part, target in write_sidecar_parts([(file, file) for file in files], KEYS, "m"):
        part.replace(target)
    assert read_keys(files[0]) == read_keys(files[1]) == KEYS
    one, other = map(Sidecar.read, files)
    assert one.written_with == other.written_with


def test_matches(file: Path):
    sidecar = Sidecar.read(file)
    assert sidecar.matches(file)
    os.utime(file, ns=(1, 1))
    assert sidecar.matches(file)
    file.write_bytes(b"CONTENT")
    assert not sidecar.matches(file)
    os.utime(file, ns=(sidecar.mtime_ns, sidecar.mtime_ns))
    assert sidecar.matches(file)
    assert not sidecar.matches(file, verify=True)
    file.write_bytes(b"short")
    assert not sidecar.matches(file)
    file.unlink()
    assert not sidecar.matches(file)


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", '{"format": 1}\n', "\0\n"])
def test_a_damaged_sidecar_counts_as_none(file: Path, text: str):
    sidecar_path(file).write_text(text)
    assert Sidecar.read(file) is None
    with pytest.raises(FileNotFoundError, match=r"a\.h5 must have been written with its keys"):
        read_keys(file)


def test_a_sidecar_of_a_later_format_counts_as_none(file: Path):
    path = sidecar_path(file)
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    assert Sidecar.read(file) is None


def test_digests(file: Path):
    assert content_digest(file) == Sidecar.read(file).blake2b
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"]) != digest_of([])
