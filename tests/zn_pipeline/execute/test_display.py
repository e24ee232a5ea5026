import io

import pytest
from rich.console import Console

from zn_pipeline.execute.display import LiveDisplay, summary
from zn_pipeline.records import RunReport, StageReport, Status


def show(tmp_path, *, terminal, **options):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100, highlight=False)
    display = LiveDisplay(tmp_path, console, **options)
    display.begin(3)
    display.running(["A"])
    display.running(["A", "B"])
    display.settled(StageReport("A", Status.DONE, "never run", seconds=1.25))
    display.settled(StageReport("B", Status.FAILED, error="ValueError: [red]no[/red]"))
    display.settled(StageReport("C", Status.UNCHANGED))
    display.end()
    return text.getvalue()


def test_lines_on_anything_but_a_terminal(tmp_path):
    lines = show(tmp_path, terminal=False).splitlines()
    assert [line.split() for line in lines] == [
        ["running", "A"],
        ["running", "B"],
        ["done", "A", "1.2", "s"],
        ["failed", "B", "ValueError:", "[red]no[/red]"],
    ]


def test_unchanged_nodes_are_shown_on_demand(tmp_path):
    assert "unchanged" in show(tmp_path, terminal=False, show_unchanged=True)


def test_progress_on_a_terminal(tmp_path):
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress" / "A").write_text("5 10")
    text = show(tmp_path, terminal=True)
    assert "[##########..........] 5/10" in text
    assert "0 of 3 settled" in text


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "nothing to do in 0.5 s"),
        ([Status.DONE, Status.DONE, Status.FAILED], "2 done, 1 failed in 0.5 s"),
        ([Status.RESTORED, Status.SKIPPED, Status.UNCHANGED],
         "1 restored, 1 unchanged, 1 skipped in 0.5 s"),
    ],
)  # fmt: skip
def test_summary(statuses, expected):
    stages = {str(i): StageReport(str(i), status) for i, status in enumerate(statuses)}
    assert summary(RunReport(stages, 0.5)) == expected
