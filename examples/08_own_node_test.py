"""Test a node of your own.

A node works without a project: make it, call ``run()``, look at its outputs. ``check_node`` runs it
on an example and checks what the framework relies on: outputs that can be written and read back,
inputs left as they were, the same bytes in two runs. The functions below would be tests of pytest;
this script calls them itself.

You should see::

    test_mean ok
    test_mean_keeps_the_contract ok
    test_a_careless_node_is_found ok
    Noise.out.json must be the same in two runs
"""

import random

import zn_pipeline as zn
from zn_pipeline.testing import check_node


class Mean(zn.Node):
    """Take the mean of some values."""

    values: list[float] = zn.deps()
    out: float = zn.outs()

    def run(self) -> None:
        if not self.values:
            raise ValueError("values must hold at least one number, received none")
        self.out = sum(self.values) / len(self.values)


class Noise(zn.Node):
    """Draw a number from the global generator: nobody can reproduce it."""

    out: float = zn.outs()

    def run(self) -> None:
        self.out = random.random()


def test_mean() -> None:
    node = Mean(values=[1.0, 2.0, 6.0])
    node.run()
    assert node.out == 3.0


def test_mean_keeps_the_contract() -> None:
    assert check_node(Mean, values=[1.0, 2.0, 6.0]).out == 3.0


def test_a_careless_node_is_found() -> str:
    try:
        check_node(Noise)
    except AssertionError as error:
        return str(error).partition(";")[0]
    raise AssertionError("check_node must find that Noise differs between two runs")


def main() -> None:
    for test in (test_mean, test_mean_keeps_the_contract, test_a_careless_node_is_found):
        found = test()
        print(f"{test.__name__} ok")
    print(found)


if __name__ == "__main__":
    main()
