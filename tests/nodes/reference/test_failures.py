import pytest

import zn_pipeline as zn
from nodes.reference.failures import (
    CodeCrashedError,
    CodeError,
    CodeMissingError,
    CodeTimeoutError,
    NotConvergedError,
    crash,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotConvergedError("x"), "calculation"),
        (CodeCrashedError("x"), "calculation"),
        (CodeTimeoutError("x"), "timeout"),
        (CodeMissingError("x"), "infrastructure"),
    ],
)
def test_every_error_knows_its_kind(error, kind):
    assert isinstance(error, CodeError)
    assert isinstance(error, zn.PipelineError)
    assert error.failure_kind == kind
    assert error.kept_files == ()


@pytest.mark.parametrize(
    ("exit_code", "output", "kind"),
    [
        (1, "segmentation of the input failed", "calculation"),
        (-11, "", "calculation"),
        (-9, "", "killed"),
        (137, "", "killed"),
        (-15, "", "killed"),
        (143, "", "killed"),
        (-9, "slurmstepd: error: Detected 1 oom-kill event. Out Of Memory", "memory"),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
        (1, "Allocation failed: Cannot allocate memory", "memory"),
    ],
)
def test_the_kind_of_a_crash_follows_from_signal_and_output(exit_code, output, kind):
    error = crash("CODE", exit_code, output)
    assert error.failure_kind == kind
    assert error.exit_code == exit_code


def test_the_message_tells_signal_and_last_lines():
    assert "ended by SIGSEGV" in str(crash("CODE", -11, ""))
    text = str(crash("CODE", 3, "first\n" + "-----\n" * 30 + "the last word\n"))
    assert "CODE must end with a result, received: ended with exit code 3" in text
    assert text.endswith("the last word")
