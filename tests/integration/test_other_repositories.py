"""`from_rev` reads nodes of other repositories: by path, by URL, from caches and remotes."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.store.revisions import open_git
from zn_pipeline.testing.projects import TemporaryProject

HERE = Path(__file__).parent
SPY = "\nimport os, pathlib\npathlib.Path(os.environ['SPY']).write_text('this code was executed')\n"


CONFIG = """\
[core]
    remote = storage
['remote "storage"']
    url = {storage}
"""
WORKFLOW = """
import sys
import my_nodes
import zn_pipeline as zn

with zn.Project() as project:
    const = my_nodes.Const(value=1.5)
    my_nodes.Scale(x=const.out)
    my_nodes.Files()
if sys.argv[1] == "build":
    project.build()
else:
    project.repro(executor=zn.SequentialExecutor())
"""


class OtherProject:
    """A project elsewhere, run and committed, whose module must never be imported from here."""

    def __init__(self, folder: Path, storage: Path, *, inside: str = "") -> None:
        self.folder = folder
        self.root = folder / inside
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        dvc = (self.root if inside == "with_dvc" else folder) / ".dvc"
        dvc.mkdir()
        (dvc / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
        (dvc / "config").write_text(CONFIG.format(storage=storage))
        shutil.copyfile(HERE / "project_nodes.py", self.root / "my_nodes.py")
        (self.root / "workflow.py").write_text(WORKFLOW)
        self.call(sys.executable, "workflow.py", "build")
        self.git("tag", "early", self.commit("not run yet"))
        self.call(sys.executable, "workflow.py", "repro")
        with (self.root / "my_nodes.py").open("a") as file:
            file.write(SPY)
        self.head = self.commit("run")

    def call(self, *command: str, at: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=at or self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def git(self, *arguments: str) -> str:
        return self.call("git", *arguments, at=self.folder)

    def push(self) -> None:
        self.call(sys.executable, "-m", "dvc", "push", "--quiet")

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def publish(self, bare: Path) -> None:
        """Leave nothing but a bare repository and the storage of the data."""
        self.push()
        self.git("clone", "--quiet", "--bare", str(self.folder), str(bare))
        shutil.rmtree(self.folder)


@pytest.fixture
def storage(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture
def other(tmp_path_factory, storage) -> OtherProject:
    return OtherProject(tmp_path_factory.mktemp("other"), storage)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A bare repository; its data lies in a DVC remote and nowhere else."""
    place = tmp_path_factory.mktemp("server") / "other.git"
    OtherProject(tmp_path_factory.mktemp("gone"), tmp_path_factory.mktemp("data")).publish(place)
    return place


@pytest.fixture
def bare(published, tmp_path_factory) -> Path:
    """The same at a new place, of which nothing is known yet."""
    return Path(shutil.copytree(published, tmp_path_factory.mktemp("server") / "other.git"))


@pytest.fixture(autouse=True)
def here(tmp_project, my_nodes, tmp_path_factory, monkeypatch) -> Iterator[TemporaryProject]:
    """The project from which others are read; no code of those may leave a trace."""
    spy = tmp_path_factory.mktemp("spy") / "trace.txt"
    monkeypatch.setenv("SPY", str(spy))
    yield tmp_project
    assert not spy.exists(), "code of the other repository was executed"


def cached_objects() -> int:
    return sum(path.is_file() for path in Path(".dvc/cache/files").rglob("*"))


def check_all(remote: str, rev: str | None) -> None:
    """Read one value of each sort."""
    scale = zn.from_rev("Scale", remote=remote, rev=rev)
    assert scale.factor == 2.0
    assert scale.out == 3.0
    assert scale.x == 1.5
    assert scale.score == {"result": 3.0}
    assert list(scale.curve["value"]) == [0.0, 1.5, 3.0]
    folder = zn.from_rev("Files", remote=remote, rev=rev).folder
    assert (folder / "part-2" / "data.txt").read_text() == "content 2\n"
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 4


def test_by_path(other):
    check_all(str(other.root), None)
    check_all(str(other.root), "main")
    check_all(str(other.root), other.head[:10])
    assert cached_objects() == 0


def test_a_deleted_work_dir_is_read_from_the_cache(other):
    shutil.rmtree(other.root / "outs")
    check_all(str(other.root), "HEAD")
    with pytest.raises(zn.NotRunError, match="dvc checkout"):
        _ = zn.from_rev("Const", remote=str(other.root)).out


@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.slow), "file://"])
def test_data_in_the_remote_storage_only(prefix, bare):
    check_all(f"{prefix}{bare}", None)


def test_nothing_is_fetched_before_it_is_asked_for(bare):
    const = zn.from_rev("Const", remote=f"file://{bare}")
    scale = zn.from_rev("Scale", remote=f"file://{bare}")
    assert (const.value, scale.factor) == (1.5, 2.0)
    assert cached_objects() == 0
    assert scale.out == 3.0
    assert cached_objects() == 1
    assert scale.x == 1.5
    assert cached_objects() == 2


@pytest.mark.slow
def test_a_node_from_elsewhere_is_a_dependency(bare, my_nodes, shell, run_log):
    const = zn.from_rev("Const", remote=str(bare), rev="main")
    with zn.Project() as project:
        scale = my_nodes.Scale(x=const.out, factor=10.0)
    project.repro(executor=zn.SequentialExecutor())
    assert scale.out == 15.0
    assert shell.is_clean()
    assert shell.stale() == []
    run_log.take()
    shutil.rmtree("outs")
    Path("dvc.lock").unlink()
    shutil.rmtree(".dvc/cache")
    shell.dvc("repro")
    assert run_log.take() == ["Scale"]
    assert shell.stale() == []


def test_what_is_missing_has_its_own_error(other, storage):
    place = str(other.root)
    with pytest.raises(zn.NotRunError, match="has not been produced"):
        _ = zn.from_rev("Const", remote=place, rev="early").out
    with pytest.raises(zn.PipelineError, match="rev must be"):
        zn.from_rev("Const", remote=place, rev="no-such-branch")
    with pytest.raises(zn.NodeNotFoundError, match="did you mean 'Const'"):
        zn.from_rev("Cons", remote=place, rev="main")
    with pytest.raises(zn.PipelineError, match="Git repository"):
        zn.from_rev("Const", remote=str(storage), rev="main")
    shutil.rmtree(other.root / ".dvc/cache")
    assert zn.from_rev("Const", remote=place, rev="main").value == 1.5
    with pytest.raises(zn.DataMissingError, match="dvc push"):
        _ = zn.from_rev("Const", remote=place, rev="main").out
    with pytest.raises(zn.DataMissingError, match="dvc push"):
        _ = zn.from_rev("Files", remote=place, rev="main").folder


@pytest.mark.slow
@pytest.mark.parametrize("inside", ["plain", "with_dvc"])
def test_a_project_in_a_folder_of_a_repository(inside, tmp_path_factory, storage):
    other = OtherProject(tmp_path_factory.mktemp("other"), storage, inside=inside)
    check_all(str(other.root), "main")
    other.push()
    for cache in (other.folder / ".dvc/cache", other.root / ".dvc/cache"):
        shutil.rmtree(cache, ignore_errors=True)
    check_all(str(other.root), "main")


@pytest.mark.slow
def test_new_commits_of_a_url_are_seen(other, tmp_path_factory):
    url = f"file://{other.folder}"
    clone = tmp_path_factory.mktemp("server") / "other.git"
    other.git("clone", "--quiet", "--bare", str(other.folder), str(clone))
    url = f"file://{clone}"
    assert zn.from_rev("Const", remote=url).value == 1.5
    params = other.root / "params.yaml"
    params.write_text(params.read_text().replace("value: 1.5", "value: 2.5"))
    other.commit("changed")
    other.git("push", "--quiet", str(clone), "main")
    open_git.cache_clear()
    assert zn.from_rev("Const", remote=url).value == 2.5
    assert zn.from_rev("Const", remote=url, rev=other.head).value == 1.5


SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile {folder}/sshd.pid
"""


@pytest.fixture
def ssh_url(tmp_path_factory, monkeypatch) -> Iterator[str]:
    """Address of a server of our own on the loopback interface, with keys made for this test."""
    server = shutil.which("sshd", path=f"/usr/sbin:{os.environ['PATH']}")
    if server is None:
        pytest.skip("needs the program sshd (openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("sshd")
    folder.chmod(0o700)
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    shutil.copyfile(folder / "user.pub", folder / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder))
    options = f"-i {folder}/user -o IdentitiesOnly=yes -o UserKnownHostsFile={folder}/known_hosts"
    ssh = f"ssh -F none {options} -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR"
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh)
    process = subprocess.Popen([server, "-D", "-f", str(folder / "sshd_config")])
    address = f"{getpass.getuser()}@127.0.0.1"
    try:
        for _ in range(100):
            command = [*ssh.split(), "-p", str(port), address, "true"]
            if subprocess.run(command, check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        yield f"ssh://{address}:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.slow
def test_by_ssh(bare, ssh_url):
    check_all(f"{ssh_url}{bare}", None)
    check_all(f"{ssh_url}{bare}", "main")
