"""Wiring: what a dependency can be.

Outputs, items and slices of outputs, sums of lists, properties, lists of all these, whole nodes,
and specs: frozen dataclasses that are no node, but settings with methods.

You should see::

    a slice and a list, squared: [0, 1, 4, 100, 121, 144]
    two properties, cubed: [64, 1728]
    a whole node: 3 values up to 12
"""

import dataclasses

import zn_pipeline as zn


@dataclasses.dataclass(frozen=True)
class Power:
    """A spec: its fields are params, its methods count as code of the node."""

    exponent: int = 1

    def apply(self, value: int) -> int:
        return value**self.exponent


class Count(zn.Node):
    """Count up from a number."""

    start: int = zn.params(0)
    n_values: int = zn.params(5)
    values: list[int] = zn.outs()

    @property
    def largest(self) -> int:
        return max(self.values)

    def run(self) -> None:
        self.values = list(range(self.start, self.start + self.n_values))


class Apply(zn.Node):
    """Apply a rule to values."""

    values: list[int] = zn.deps()
    rule: Power = zn.deps()
    results: list[int] = zn.outs()

    def run(self) -> None:
        self.results = [self.rule.apply(value) for value in self.values]


class Describe(zn.Node):
    """Say what a node holds."""

    source: Count = zn.deps()
    text: str = zn.outs()

    def run(self) -> None:
        self.text = f"{len(self.source.values)} values up to {self.source.largest}"


def main() -> None:
    with zn.Project() as project:
        low = Count()
        high = Count(start=10, n_values=3, name="high")
        squares = Apply(values=low.values[:3] + high.values, rule=Power(exponent=2))
        cubes = Apply(values=[low.largest, high.largest], rule=Power(exponent=3))
        described = Describe(source=high)
    project.repro()

    print(f"a slice and a list, squared: {squares.results}")
    print(f"two properties, cubed: {cubes.results}")
    print(f"a whole node: {described.text}")


if __name__ == "__main__":
    main()
