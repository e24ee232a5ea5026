"""Loops that grow the graph: make one step, run it, read its decision, make the next.

The stages of step ``i`` lie in the group ``<name>/<iii>`` and depend on nothing but the position,
so that more steps leave earlier ones untouched. Each step ends in a :class:`Decide` node whose
decision is an ordinary, versioned output; the committed ``dvc.yaml`` is plain and unrolled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from zn_pipeline.errors import BuildError
from zn_pipeline.execute.dask import DaskExecutor
from zn_pipeline.fields import deps, outs, params
from zn_pipeline.node import ACTIVE, Node

if TYPE_CHECKING:
    from zn_pipeline.execute.protocol import Executor
    from zn_pipeline.project import Project


class StopRule(Protocol):
    """Decides from all watched values so far whether a loop is done."""

    def met(self, values: list[float]) -> bool:
        """Whether the loop is done."""
        ...


@dataclasses.dataclass(frozen=True)
class Below:
    """Stop when the watched value has been below a limit ``patience`` times in a row."""

    limit: float
    patience: int = 1

    def __post_init__(self) -> None:
        _check_patience(self.patience)

    def met(self, values: list[float]) -> bool:
        """Whether the last ``patience`` values are below the limit; NaN never is."""
        last = values[-self.patience :]
        return len(last) == self.patience and all(value < self.limit for value in last)


@dataclasses.dataclass(frozen=True)
class Plateau:
    """Stop when the best value has not improved by ``min_delta`` for ``patience`` steps."""

    patience: int = 2
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        _check_patience(self.patience)
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta must not be negative, received {self.min_delta}")

    def met(self, values: list[float]) -> bool:
        """Whether the last ``patience`` values are no better than the best before them."""
        usual = [math.inf if math.isnan(value) else value for value in values]
        if len(usual) <= self.patience:
            return False
        return min(usual[-self.patience :]) >= min(usual[: -self.patience]) - self.min_delta


def _check_patience(patience: int) -> None:
    if patience < 1:
        raise ValueError(f"patience must be at least 1, received {patience}")


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step hands on.

    Attributes
    ----------
    carry : passed to the next step as its second argument
    watch : reference to a number; the stop rule looks at it
    """

    carry: Any
    watch: Any


@dataclasses.dataclass(frozen=True)
class Loop:
    """What a loop came to.

    Attributes
    ----------
    carry, watch : of the last step
    steps : all steps
    decisions : the node at the end of each step, with outputs ``done`` and ``values``
    converged : whether the stop rule was met; None if the last step has not been run
    """

    carry: Any
    watch: Any
    steps: tuple[Step, ...]
    decisions: tuple[Decide, ...]
    converged: bool | None


class Decide(Node):
    """Apply the stop rule of a loop to the values watched so far."""

    watch: float = deps()
    previous: list[float] | None = deps(None)
    rule: StopRule = deps()
    step: int = params()
    done: bool = outs()
    values: list[float] = outs()

    def run(self) -> None:
        """Append the watched value to the earlier ones and ask the rule."""
        self.values = [*(self.previous or []), float(self.watch)]
        self.done = bool(self.rule.met(self.values))


def iterate(
    project: Project,
    step: Callable[[int, Any], Step],
    init: Any,
    stop: StopRule,
    max_steps: int,
    *,
    name: str = "step",
    executor: Executor | None = None,
    quiet: bool = False,
) -> Loop:
    """Grow a project until a stop rule is met.

    Parameters
    ----------
    step : makes the nodes of one step; the same arguments must give the same nodes
    init : second argument of the first step
    stop : frozen dataclass with a method ``met(values)``; its values stand in the params file
    max_steps : most steps to make
    name : group of the loop
    executor, quiet : as for ``Project.repro``

    Raises
    ------
    NodeFailedError
        If a node of a step failed.
    """
    if max_steps < 1:
        raise BuildError(f"max_steps must be at least 1, received {max_steps}")
    with contextlib.ExitStack() as held:
        if ACTIVE.get() is None:
            held.enter_context(project)
        if executor is None:  # one set of workers for all steps: what they compiled stays compiled
            executor = held.enter_context(DaskExecutor())
        return _grow(project, step, init, stop, max_steps, name, executor, quiet=quiet)


def _grow(
    project: Project,
    step: Callable[[int, Any], Step],
    init: Any,
    stop: StopRule,
    max_steps: int,
    name: str,
    executor: Executor,
    *,
    quiet: bool,
) -> Loop:
    """Make and run steps until one decides that the loop is done."""
    carry, previous = init, None
    steps: list[Step] = []
    decisions: list[Decide] = []
    done: bool | None = None
    for count in range(max_steps):
        with project.group(name, f"{count:03d}"):
            made = step(count, carry)
            if not isinstance(made, Step):
                raise BuildError(f"a step must return zn.Step(carry, watch), received {made!r}")
            decide = Decide(watch=made.watch, previous=previous, rule=stop, step=count)
        steps.append(made)
        decisions.append(decide)
        carry, previous = made.carry, decide.values
        done = _decision(project, decide, executor, quiet=quiet)
        if done is not False:
            break
    if done:
        _tell_shortened(project, name, len(steps))
    return Loop(carry, steps[-1].watch, tuple(steps), tuple(decisions), done)


def _decision(project: Project, decide: Decide, executor: Executor, *, quiet: bool) -> bool | None:
    """Run a step up to its decision; None if the project is only built and it is not known."""
    token = ACTIVE.set(None)
    try:
        return project.run_decision(decide, executor, quiet=quiet)
    finally:
        ACTIVE.reset(token)


def _tell_shortened(project: Project, name: str, n_steps: int) -> None:
    dropped = sorted(
        {
            entry["groups"][-1]
            for entry in project.previous_graph().values()
            if len(entry.get("groups", [])) > 1
            and entry["groups"][-2] == name
            and entry["groups"][-1].isdigit()
            and int(entry["groups"][-1]) >= n_steps
        }
    )
    if dropped:
        print(
            f"{name}: the stop rule is met after {n_steps} steps; "
            f"steps {', '.join(dropped)} leave the graph",
            file=sys.stderr,
        )
