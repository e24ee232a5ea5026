"""Wiring: what a dependency can be.

Outputs, items and slices of outputs, sums of lists, properties, lists of all these, whole nodes, and
specs: frozen dataclasses that are no node, but settings with methods. A name that does not exist
fails where it is written, before anything runs.

You should see::

    first three squared: [0, 1, 4]
    two lists joined, cubed: [0, 1, 8, 27, 64, 1000, 1331, 1728]
    two properties: [4, 12]
    a whole node: 3 values from 10 to 12
    a mistake: high (Count) has no field, property or method 'vlaues'; did you mean 'values'?
"""

import dataclasses

import zn_pipeline as zn


@dataclasses.dataclass(frozen=True)
class Power:
    """A spec: its fields stand in params.yaml, its methods are part of the node's code."""

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
        node = self.source
        self.text = f"{len(node.values)} values from {node.start} to {node.largest}"


def main() -> None:
    with zn.Project() as project:
        low = Count()
        high = Count(start=10, n_values=3, name="high")
        squares = Apply(values=low.values[:3], rule=Power(exponent=2))
        cubes = Apply(values=low.values + high.values, rule=Power(exponent=3))
        largest = Apply(values=[low.largest, high.largest], rule=Power())
        described = Describe(source=high)
        try:
            Apply(values=high.vlaues, rule=Power())
        except AttributeError as error:
            mistake = error

    project.repro()

    print(f"first three squared: {squares.results}")
    print(f"two lists joined, cubed: {cubes.results}")
    print(f"two properties: {largest.results}")
    print(f"a whole node: {described.text}")
    print(f"a mistake: {mistake}")


if __name__ == "__main__":
    main()
