import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from zn_pipeline.errors import PipelineError, RemoteError
from zn_pipeline.fingerprint.recipe import Recipe
from zn_pipeline.items.records import ItemRecord, Place
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import encode
from zn_pipeline.testing import TemporaryProject

RECIPE = Recipe.of({"schema": 1, "function": "label", "code": "c", "params": {"cutoff": 300}})


def key_of(number: int) -> bytes:
    return RECIPE.key(hashlib.blake2b(b"%d" % number, digest_size=16).digest(), None)


def fill(n: int, folder: Path | None = None) -> list[Place]:
    """Put results into the store of a folder, in a segment of their own."""
    store = ItemStore.default(folder)
    store.note_recipe(RECIPE)
    structures = [hashlib.blake2b(b"%d" % number, digest_size=16).digest() for number in range(n)]
    places = store.put(
        ItemRecord(RECIPE.key(item, None), RECIPE.id, item, "ok", encode(number), 1800.0)
        for number, item in enumerate(structures)
    )
    store.close()
    return places


def test_status(tmp_project, runner_cli):
    assert "0 results, 0 failures" in runner_cli("store", "status")
    fill(4)
    lines = runner_cli("store", "status").splitlines()
    assert lines[0] == f"store: {ItemStore.default().folder}"
    assert lines[1].startswith("4 results, 0 failures, ")
    assert lines[1].endswith("in 1 segments, 0 of them being written")
    assert lines[2].split() == ["4", "label", "(2.0", "h)"]
    found = json.loads(runner_cli("store", "status", "--json"))
    assert found["functions"] == [
        {"function": "label", "n_ok": 4, "n_failed": 0, "seconds": 7200.0}
    ]


def test_verify_and_its_exit_code(tmp_project, runner_cli):
    places = fill(4)
    assert runner_cli("store", "verify") == "clean: 4 results and 0 failures are whole\n"
    path = ItemStore.default().segments / places[1].segment
    data = bytearray(path.read_bytes())
    data[places[1].offset + 100] ^= 1
    path.write_bytes(data)
    lines = runner_cli("store", "verify", code=1).splitlines()
    assert lines[:2] == [
        "damaged: 3 results and 0 failures are whole",
        "1 items are lost and will be computed again",
    ]
    assert lines[2].startswith(f"damaged: {path.name}: bytes {places[1].offset} to ")
    found = json.loads(runner_cli("store", "verify", "--json", code=1))
    assert (found["clean"], found["n_ok"], len(found["damaged"])) == (False, 3, 1)


def test_rebuild(tmp_project, runner_cli):
    fill(3)
    (ItemStore.default().folder / "index.sqlite").write_bytes(b"x" * 5000)
    assert runner_cli("store", "rebuild") == "3 results and 0 failures in 1 segments\n"


def test_explain(tmp_project, runner_cli):
    fill(3)
    text = runner_cli("store", "explain", key_of(1).hex()[:12])
    assert f"key        {key_of(1).hex()}" in text
    assert "function   label" in text
    assert json.loads(runner_cli("store", "explain", key_of(1).hex(), "--json"))[0].endswith(
        key_of(1).hex()
    )


def test_gc_keeps_what_published_files_refer_to(tmp_project, runner_cli, tmp_path_factory):
    fill(6)
    tree = tmp_path_factory.mktemp("trees") / "tree"
    tmp_project.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    further = tmp_path_factory.mktemp("further")
    for folder, number in ((tmp_project.path, 1), (tree, 3), (further, 5)):
        (folder / "out.h5.keys").write_text("{}\n" + key_of(number).hex() + "\n")
    with pytest.raises(PipelineError, match=r"one of --older-than .* received neither"):
        runner_cli("store", "gc")
    with pytest.raises(PipelineError, match="received both"):
        runner_cli("store", "gc", "--older-than", "1", "--all-unreferenced")
    assert runner_cli("store", "gc", "--older-than", "1").startswith("0 results removed, 6 kept")
    arguments = ["store", "gc", "--all-unreferenced", "--keep", str(further)]
    said = runner_cli(*arguments, "--dry-run")
    assert said.startswith("3 results would be removed, 3 kept")
    assert len(ItemStore.default().find([key_of(n) for n in range(6)])) == 6
    assert json.loads(runner_cli(*arguments, "--json"))["n_removed"] == 3
    left = ItemStore.default().find([key_of(n) for n in range(6)])
    assert left.keys() == {key_of(1), key_of(3), key_of(5)}


def add_remote(project: TemporaryProject, *lines: str) -> None:
    config = project.path / ".dvc" / "config"
    settings = "\n    ".join(lines)
    text = config.read_text().replace("[core]\n", "[core]\n    remote = s\n")
    config.write_text(f"{text}['remote \"s\"']\n    {settings}\n")


def exchange(project: TemporaryProject, runner_cli, clone: Path, monkeypatch) -> None:
    """Push from a project, and pull in a clone of it."""
    project.commit("remote")
    fill(5)
    assert runner_cli("store", "push").startswith("pushed 1 segments, ")
    assert runner_cli("store", "push").startswith("pushed 0 segments, ")
    project.git("clone", "--quiet", str(project.path), str(clone))
    monkeypatch.chdir(clone)
    assert ItemStore.default().folder.is_relative_to(clone)
    assert runner_cli("store", "pull").startswith("pulled 1 segments, ")
    assert json.loads(runner_cli("store", "pull", "--json", "-r", "s"))["segments"] == []
    store = ItemStore.default()
    found = store.find([key_of(n) for n in range(5)])
    assert [store.read(found[key_of(n)].place) for n in range(5)] == list(range(5))


def test_push_and_pull_between_two_clones(tmp_project, runner_cli, tmp_path_factory, monkeypatch):
    add_remote(tmp_project, f"url = {tmp_path_factory.mktemp('remote')}")
    exchange(tmp_project, runner_cli, tmp_path_factory.mktemp("clones") / "c", monkeypatch)


def test_pull_refuses_what_is_damaged(tmp_project, runner_cli, tmp_path_factory):
    place = tmp_path_factory.mktemp("remote")
    add_remote(tmp_project, f"url = {place}")
    folder = place / "zn_pipeline" / "items"
    folder.mkdir(parents=True)
    (folder / "a-1-0.seg").write_bytes(b"nonsense" * 100)
    said = runner_cli("store", "pull", code=1)
    assert "a-1-0.seg is damaged and was left out" in said


def test_push_without_a_remote(tmp_project, runner_cli):
    with pytest.raises(RemoteError, match="a DVC remote must be given"):
        runner_cli("store", "push")


@pytest.fixture
def endpoint(monkeypatch) -> Iterator[str]:
    """Address of an S3 server on the loopback interface, with an empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="storage")
    yield address
    server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_push_and_pull_over_s3(endpoint, tmp_project, runner_cli, tmp_path_factory, monkeypatch):
    add_remote(tmp_project, "url = s3://storage/data", f"endpointurl = {endpoint}")
    exchange(tmp_project, runner_cli, tmp_path_factory.mktemp("clones") / "c", monkeypatch)
