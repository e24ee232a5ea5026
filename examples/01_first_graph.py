"""First graph: two numbers and their sum.

A node is a class with declared fields and a method ``run``. Inside the ``with`` block nothing is
computed: ``x.out`` is a reference to a value that will exist. ``project.repro()`` writes plain DVC
files and runs what is not up to date; a second run of this script runs nothing.

You should see::

    x.out = 1.0, y.out = 2.0
    total.out = 3.0
    the same, loaded by name: 3.0
    nodes of the group: x, y
"""

import zn_pipeline as zn


class Const(zn.Node):
    """Hold a number."""

    value: float = zn.params()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = self.value


class Add(zn.Node):
    """Add numbers."""

    numbers: list[float] = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        self.out = sum(self.numbers)


def main() -> None:
    project = zn.Project()
    with project:
        with project.group("inputs") as inputs:
            x = Const(value=1.0, name="x")
            y = Const(value=2.0, name="y")
        total = Add(numbers=[x.out, y.out])

    project.repro()

    print(f"x.out = {x.out}, y.out = {y.out}")
    print(f"total.out = {total.out}")
    print(f"the same, loaded by name: {zn.from_rev('Add').out}")
    print(f"nodes of the group: {', '.join(inputs)}")


if __name__ == "__main__":
    main()
