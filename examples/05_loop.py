"""Loops: make a step, run it, read its decision, make the next.

The step function makes the nodes of one step and says what it hands on (``carry``) and what the
stop rule looks at (``watch``). The steps lie in the groups ``newton/000``, ``newton/001``, ...; the
decision of each is an ordinary output, and the graph on disk is plain and unrolled. Run the script
again with a smaller limit: the decisions are made anew, and of ``Improve`` only the new steps run.

Nodes as cheap as these run fastest in this process, without workers: ``SequentialExecutor``.

You should see::

    square root of 2: 1.414213562
    errors: 2.5e-01 6.9e-03 6.0e-06 4.5e-12
    steps: 4, converged: True
    the last step lies in outs/newton/003/Improve
"""

import zn_pipeline as zn


class Improve(zn.Node):
    """One Newton step towards the square root of a number."""

    number: float = zn.params()
    previous: float | None = zn.deps(None)
    guess: float = zn.outs()
    error: float = zn.outs()

    def run(self) -> None:
        before = self.number if self.previous is None else self.previous
        self.guess = 0.5 * (before + self.number / before)
        self.error = abs(self.guess**2 - self.number)


def step(count: int, previous: zn.Ref | None) -> zn.Step:
    """Make the nodes of one step; the same arguments must give the same nodes."""
    better = Improve(number=2.0, previous=previous)
    return zn.Step(carry=better.guess, watch=better.error)


def main() -> None:
    project = zn.Project()
    loop = project.iterate(
        step,
        init=None,
        stop=zn.Below(1e-10),
        max_steps=10,
        name="newton",
        executor=zn.SequentialExecutor(),
    )

    last = loop.carry.node  # carry is the reference that the last step returned
    print(f"square root of 2: {last.guess:.9f}")
    print(f"errors: {' '.join(f'{error:.1e}' for error in loop.decisions[-1].values)}")
    print(f"steps: {len(loop.steps)}, converged: {loop.converged}")
    print(f"the last step lies in {last.nwd.as_posix()}")


if __name__ == "__main__":
    main()
