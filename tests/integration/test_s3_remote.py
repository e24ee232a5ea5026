"""Data goes to an S3 storage and comes back; the server is a local one."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import zn_pipeline as zn

pytestmark = pytest.mark.slow


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


@pytest.mark.filterwarnings("default")
def test_push_pull_and_from_rev(endpoint, tmp_project, shell, my_nodes, tmp_path_factory):
    shell.dvc("remote", "add", "--default", "storage", "s3://storage/data")
    shell.dvc("remote", "modify", "storage", "endpointurl", endpoint)
    with zn.Project() as project:
        const = my_nodes.Const(value=1.5)
        my_nodes.Scale(x=const.out)
        my_nodes.Files()
    project.repro(executor=zn.SequentialExecutor())
    tmp_project.commit("run")
    shell.dvc("push")
    assert "in sync" in shell.dvc("status", "--cloud")
    shutil.rmtree("outs")
    shutil.rmtree(".dvc/cache")
    shell.dvc("pull")
    assert shell.is_clean()
    assert project.repro(executor=zn.SequentialExecutor()).done == []

    elsewhere = tmp_path_factory.mktemp("server") / "bare.git"
    command = ["git", "clone", "--quiet", "--bare", str(tmp_project.path), str(elsewhere)]
    subprocess.run(command, check=True)
    shutil.rmtree("outs")
    shutil.rmtree(".dvc/cache")
    assert zn.from_rev("Scale", remote=f"file://{elsewhere}").out == 3.0
    folder = zn.from_rev("Files", remote=f"file://{elsewhere}").folder
    assert (folder / "part-1" / "data.txt").read_text() == "content 1\n"
    assert sum(path.is_file() for path in Path(".dvc/cache/files").rglob("*")) >= 4
