"""Loops that grow the graph."""

import math

import pytest
import yaml

import zn_pipeline as zn
from zn_pipeline.errors import BuildError

HALVE = """\
from pathlib import Path
import zn_pipeline as zn


class Halve(zn.Node):
    \"\"\"Halve a number, and count how often that was done.\"\"\"

    number: float = zn.deps(None)
    start: float = zn.params(8.0)
    out: float = zn.outs()
    score: dict[str, float] = zn.metrics(cache=False)

    def run(self) -> None:
        with Path("count.txt").open("a") as file:
            file.write("x")
        self.out = (self.start if self.number is None else self.number) / 2
        self.score = {"value": self.out}
"""


@pytest.fixture
def loop(modules, tmp_project):
    """Return a function that runs the loop, and one that counts how many steps were computed."""
    own = modules.make(HALVE)

    def step(count, carry):
        node = own.Halve(number=carry)
        return zn.Step(carry=node.out, watch=node.out)

    def run(stop, max_steps, **options):
        project = zn.Project()
        result = project.iterate(
            step, None, stop, max_steps, executor=zn.SequentialExecutor(), quiet=True, **options
        )
        project.repro(executor=zn.SequentialExecutor(), quiet=True)
        return project, result

    def count():
        file = tmp_project.path / "count.txt"
        return len(file.read_text()) if file.exists() else 0

    return run, count


def test_a_loop_ends_when_the_rule_is_met(loop, tmp_project):
    run, count = loop
    project, result = run(zn.Below(limit=1.5), max_steps=10)
    assert list(project.nodes) == [
        "step_000_Halve", "step_000_Decide", "step_001_Halve", "step_001_Decide",
        "step_002_Halve", "step_002_Decide",
    ]  # fmt: skip
    assert result.converged is True
    assert len(result.steps) == count() == 3
    assert result.decisions[-1].values == [4.0, 2.0, 1.0]
    assert [d.done for d in result.decisions] == [False, False, True]
    stages = yaml.safe_load((tmp_project.path / "dvc.yaml").read_text())["stages"]
    assert list(stages) == list(project.nodes), "the committed file is plain and unrolled"
    assert zn.from_rev("step/002/Halve").out == 1.0


def test_more_steps_leave_old_ones_untouched(loop, tmp_project):
    run, count = loop
    run(zn.Below(limit=0.0), max_steps=2)
    first = (tmp_project.path / "dvc.yaml").read_text()
    lock = (tmp_project.path / "dvc.lock").read_text()
    assert count() == 2
    _, result = run(zn.Below(limit=0.0), max_steps=4)
    assert count() == 4, "only the new steps were computed"
    assert result.converged is False
    assert (tmp_project.path / "dvc.yaml").read_text().startswith(first)
    assert (tmp_project.path / "dvc.lock").read_text().startswith(lock)


def test_a_repeated_loop_computes_nothing(loop, tmp_project):
    run, count = loop
    for _ in range(2):
        run(zn.Below(limit=1.5), max_steps=10)
    assert count() == 3


def test_a_loosened_rule_shortens_the_graph_and_says_so(loop, tmp_project, capsys):
    run, count = loop
    run(zn.Below(limit=1.5), max_steps=10)
    capsys.readouterr()
    project, _ = run(zn.Below(limit=3.0), max_steps=10)
    assert "step: the stop rule is met after 2 steps; steps 002 leave" in capsys.readouterr().err
    stages = yaml.safe_load((tmp_project.path / "dvc.yaml").read_text())["stages"]
    assert list(stages) == list(project.nodes)
    assert len(stages) == 4
    assert count() == 3


def test_two_loops_follow_each_other(modules, tmp_project):
    own = modules.make(HALVE)

    def step(count, carry):
        node = own.Halve(number=carry)
        return zn.Step(node.out, node.out)

    executor = zn.SequentialExecutor()
    with zn.Project() as project:
        before = own.Halve(name="before", start=64.0)
        options = {"executor": executor, "quiet": True}
        one = project.iterate(step, before.out, zn.Below(10.0), 5, name="one", **options)
        two = project.iterate(step, one.carry, zn.Plateau(), 3, name="two", **options)
        after = own.Halve(name="after", number=two.carry)
    project.repro(executor=executor, quiet=True)
    assert (len(one.steps), len(two.steps)) == (2, 3)
    assert two.converged is False
    assert after.out == 64 / 2**7


def test_building_stops_at_the_first_unknown_decision(loop, monkeypatch):
    run, count = loop
    monkeypatch.setenv("ZN_PIPELINE_BUILD_ONLY", "1")
    project, result = run(zn.Below(1.5), max_steps=10)
    assert list(project.nodes) == ["step_000_Halve", "step_000_Decide"]
    assert result.converged is None
    monkeypatch.delenv("ZN_PIPELINE_BUILD_ONLY")
    run(zn.Below(1.5), max_steps=10)
    monkeypatch.setenv("ZN_PIPELINE_BUILD_ONLY", "1")
    project, result = run(zn.Below(1.5), max_steps=10)
    assert len(project.nodes) == 6
    assert result.converged is True
    assert count() == 3


def test_wrong_arguments(tmp_project):
    with pytest.raises(BuildError, match="max_steps must be at least 1, received 0"):
        zn.Project().iterate(lambda i, c: None, None, zn.Below(1.0), 0)
    with pytest.raises(BuildError, match=r"must return zn\.Step\(carry, watch\), received None"):
        zn.Project().iterate(lambda i, c: None, None, zn.Below(1.0), 1)


@pytest.mark.parametrize(
    ("rule", "values", "met"),
    [
        (zn.Below(1.0), [], False),
        (zn.Below(1.0), [1.0], False),
        (zn.Below(1.0), [2.0, 0.5], True),
        (zn.Below(1.0, patience=2), [2.0, 0.5], False),
        (zn.Below(1.0, patience=2), [0.5, 0.5], True),
        (zn.Below(1.0), [math.nan], False),
        (zn.Plateau(2), [1.0, 1.0], False),
        (zn.Plateau(2), [1.0, 1.0, 1.0], True),
        (zn.Plateau(2), [1.0, 2.0, 0.5], False),
        (zn.Plateau(1, min_delta=0.1), [1.0, 0.95], True),
        (zn.Plateau(1, min_delta=0.1), [1.0, 0.8], False),
        (zn.Plateau(1), [1.0, math.nan], True),
        (zn.Plateau(1), [math.nan, 1.0], False),
    ],
)
def test_rules(rule, values, met):
    assert rule.met(values) is met


@pytest.mark.parametrize(
    "rule", [lambda: zn.Below(1.0, patience=0), lambda: zn.Plateau(0), lambda: zn.Plateau(1, -1.0)]
)
def test_impossible_rules_are_refused(rule):
    with pytest.raises(ValueError, match="must"):
        rule()
