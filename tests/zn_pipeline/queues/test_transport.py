"""Commands and copies, over an `ssh` that leads back to this machine and can be told to break."""

import shutil
from pathlib import Path

import pytest

from zn_pipeline.queues.transport import Local, Ssh, TransportError

needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")

# Breaks as often as the number in the file `broken` says; notes options and host.
SSH = r"""
broken="$(dirname "$0")/broken"
exit_request=no
while [[ "$1" == -* ]]; do
    [ "$1" = -O ] && exit_request=yes
    case "$1" in -F|-o|-O|-l) shift 2 ;; *) shift ;; esac
done
[ $exit_request = yes ] && exit 0
shift
left=$(cat "$broken" 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then
    echo $((left - 1)) >"$broken"
    echo "ssh: connect to host x port 22: Connection refused" >&2
    exit 255
fi
exec sh -c "$*"
"""


class Broken:
    """Says how often the connection breaks."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def times(self, number: int) -> None:
        self.file.write_text(str(number))

    @property
    def left(self) -> int:
        return int(self.file.read_text())


@pytest.fixture
def broken(commands) -> Broken:
    commands.write("ssh", SSH)
    return Broken(commands.folder / "broken")


@pytest.fixture
def ssh(broken, tmp_path: Path):
    """Return a connection between folders of awkward names."""
    del broken
    transport = Ssh(
        "box", tmp_path / "it's here", str(tmp_path / 'it is "there"'), pause_seconds=0.01
    )
    (tmp_path / "it's here" / "job").mkdir(parents=True)
    with transport:
        yield transport


def test_local_commands(tmp_path: Path):
    transport = Local(tmp_path)
    answer = transport.run(["sh", "-c", 'echo "$1"; echo oh >&2; exit 3', "sh", "a  'b"])
    assert (answer.code, answer.out, answer.err) == (3, "a  'b\n", "oh\n")
    assert transport.run(["/nowhere"]).code == 127
    assert transport.run(["sleep", "30"], timeout_seconds=0.1).code == 124
    assert transport.folder("x") == f"{tmp_path}/x"


@pytest.mark.parametrize("text", ["a  b", "it's", '"$HOME"', "$(rm -rf x)", "*", "a;b", "ü\nx"])
def test_what_is_said_arrives_as_it_was(ssh, text):
    assert ssh.run(["printf", "%s", text]).out == text


@needs_rsync
@pytest.mark.parametrize("name", ["a b", "it's", "$(x)", "-rf", "ü", "*"])
def test_files_of_any_name_are_copied_both_ways(ssh, name):
    here = ssh.local / "job"
    (here / "sub").mkdir()
    (here / "sub" / name).write_text("content")
    ssh.push("job")
    there = Path(ssh.folder("job"))
    assert (there / "sub" / name).read_text() == "content"
    (there / "sub" / name).write_text("changed!")
    ssh.pull("job")
    assert (here / "sub" / name).read_text() == "changed!"


@needs_rsync
def test_what_is_to_stay_stays(ssh):
    for name in ("a", "b"):
        (ssh.local / "job" / name).write_text(name)
    ssh.push("job", skip=["b"])
    assert [path.name for path in Path(ssh.folder("job")).iterdir()] == ["a"]
    Path(ssh.folder("job"), "c").write_text("c")
    Path(ssh.folder("job"), "d").write_text("d")
    ssh.pull("job", skip=["d"])
    assert {path.name for path in (ssh.local / "job").iterdir()} == {"a", "b", "c"}


@needs_rsync
def test_some_files_of_many_folders_come_in_one_go(ssh, commands):
    for name in ("one", "two", "other"):
        Path(ssh.folder(name)).mkdir()
        Path(ssh.folder(name), "done.json").write_text(name)
        Path(ssh.folder(name), "large").write_text("x")
    Path(ssh.folder("empty")).mkdir()
    before = len(commands.calls)
    ssh.pull_files(["one", "two", "empty", "missing"], ["done.json", "heartbeat"])
    assert sum("rsync" in call for call in commands.calls[before:]) == 1
    found = {path.relative_to(ssh.local).as_posix() for path in ssh.local.glob("*/*")}
    assert found == {"one/done.json", "two/done.json"}


@needs_rsync
def test_a_connection_that_breaks_is_made_again(ssh, broken):
    (ssh.local / "job" / "a").write_text("a")
    broken.times(2)
    assert ssh.run(["echo", "x"]).out == "x\n"
    assert ssh.root
    broken.times(3)
    ssh.push("job")
    assert Path(ssh.folder("job"), "a").read_text() == "a"


def test_what_must_not_happen_twice_is_tried_once(ssh, broken):
    assert ssh.root
    broken.times(2)
    with pytest.raises(TransportError, match=r"box must answer over ssh.*Connection refused"):
        ssh.run(["echo", "x"], again=False)
    assert broken.left == 1


@needs_rsync
def test_a_machine_that_never_answers(ssh, broken):
    assert ssh.root
    broken.times(1000)
    with pytest.raises(TransportError, match="rsync with box must succeed"):
        ssh.push("job")
    assert broken.left == 1000 - ssh.attempts


def test_a_command_that_fails_is_not_repeated(ssh, commands):
    assert ssh.run(["false"]).code == 1
    assert len(commands.calls) == 1


def test_one_connection_is_shared_and_closed(ssh, commands):
    ssh.run(["true"])
    ssh.run(["true"])
    first, second = commands.calls
    (path,) = {word for word in first.split() if word.startswith("ControlPath=")}
    assert path in second
    folder = Path(path.removeprefix("ControlPath=")).parent
    assert folder.stat().st_mode & 0o077 == 0
    assert len(str(folder)) < 40
    ssh.close()
    assert not folder.exists()
    assert "-O exit" in commands.calls[-1]


@needs_rsync
def test_a_config_file_of_any_name_serves_commands_and_copies(broken, commands, tmp_path: Path):
    del broken
    config = tmp_path / "my config's"
    config.touch()
    (tmp_path / "here" / "job").mkdir(parents=True)
    with Ssh("box", tmp_path / "here", str(tmp_path / "there"), config_file=config) as ssh:
        ssh.push("job")
    assert all(f"-F {config} " in call for call in commands.calls)
    assert any("rsync --server" in call for call in commands.calls)


def test_a_login_shell(broken, tmp_path: Path):
    del broken
    with Ssh("box", tmp_path, str(tmp_path), login_shell=True) as ssh:
        assert ssh.run(["sh", "-c", 'echo $0 "$1"', "it's", "a  b"]).out == "it's a  b\n"


def test_a_folder_that_cannot_be_made(broken, tmp_path: Path):
    del broken
    (tmp_path / "file").touch()
    with (
        Ssh("box", tmp_path, str(tmp_path / "file" / "x")) as ssh,
        pytest.raises(TransportError, match="must be one that can be made"),
    ):
        ssh.folder("a")
