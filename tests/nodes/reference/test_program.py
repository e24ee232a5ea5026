from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from nodes.reference.failures import CodeCrashedError, CodeMissingError
from nodes.reference.program import ProgramCode, tail


@dataclass(frozen=True)
class Shell(ProgramCode):
    code: ClassVar[str] = "shell"
    properties: ClassVar[tuple[str, ...]] = ("energy",)
    outputs: ClassVar[tuple[str, ...]] = ("out",)
    version_pattern: ClassVar[str] = r"version (\S+)"
    command: str = field(default="/bin/sh", metadata={"key": False}, kw_only=True)

    def compute(self, atoms, properties, folder):
        return {}


def run(tmp_path, text, **settings):
    return Shell(**settings).run(tmp_path, output="out", arguments=["-c", text])


def test_exit_codes_come_back_and_signals_are_crashes(tmp_path):
    assert run(tmp_path, "exit 5") == 5
    with pytest.raises(CodeCrashedError, match="SIGKILL") as caught:
        run(tmp_path, "kill -9 $$")
    assert caught.value.failure_kind == "killed"
    with pytest.raises(CodeCrashedError) as caught:
        run(tmp_path, "echo Out Of Memory; exit 137")
    assert caught.value.failure_kind == "memory"


def test_a_command_that_a_launcher_does_not_find_is_missing(tmp_path):
    with pytest.raises(CodeMissingError, match=r"must start shell on this machine.*no_such"):
        run(tmp_path, "no_such_program")


def test_the_version_is_compared_with_the_output():
    Shell().check_version("version 6.1")
    Shell(version="6").check_version("version 6.1")
    Shell(version="6").check_version("no word of it")
    with pytest.raises(CodeMissingError, match=r"must be 7.2, received 6.1 from /bin/sh"):
        Shell(version="7.2").check_version("version 6.1")


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match="command must start shell, received ' '"):
        Shell(command=" ")
    with pytest.raises(ValueError, match="time_limit_s must be positive, received 0"):
        Shell(time_limit_s=0)


def test_the_end_of_a_file_is_read(tmp_path):
    (tmp_path / "file").write_text("abcdef")
    assert tail(tmp_path / "file", 2) == "ef"
    assert tail(tmp_path / "file") == "abcdef"
    assert tail(tmp_path / "none") == ""
