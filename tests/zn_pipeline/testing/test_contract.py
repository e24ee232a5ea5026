"""check_node accepts a good node and catches each way to break the contract."""

import numpy as np
import pytest

from zn_pipeline.testing import check_node
from zn_pipeline.testing.contract import fingerprint

NODES = """\
import itertools
from pathlib import Path

import numpy as np
import zn_pipeline as zn

counter = itertools.count()


class Good(zn.Node):
    \"\"\"Scale numbers.\"\"\"

    factor: float = zn.params(2.0)
    numbers: np.ndarray = zn.deps()
    scaled: np.ndarray = zn.outs()
    pairs: tuple[int, ...] = zn.outs()
    log: Path = zn.outs_path(zn.nwd / "log.txt")

    def run(self) -> None:
        self.scaled = self.factor * self.numbers
        self.pairs = (1, 2)
        self.log.write_text("done")


class Undocumented(zn.Node):
    out: int = zn.outs()

    def run(self) -> None:
        self.out = 1


class ChangesInputs(zn.Node):
    \"\"\"Sort in place.\"\"\"

    numbers: list[int] = zn.deps()
    out: int = zn.outs()

    def run(self) -> None:
        self.numbers.sort()
        self.out = self.numbers[0]


class Random(zn.Node):
    \"\"\"Count calls.\"\"\"

    out: int = zn.outs()

    def run(self) -> None:
        self.out = next(counter)


class RandomFile(zn.Node):
    \"\"\"Count calls, into a file.\"\"\"

    file: Path = zn.outs_path(zn.nwd / "a.txt")

    def run(self) -> None:
        self.file.write_text(str(next(counter)))


class Unset(zn.Node):
    \"\"\"Forget an output.\"\"\"

    out: int = zn.outs()

    def run(self) -> None:
        pass


class UnsetFile(zn.Node):
    \"\"\"Forget a file.\"\"\"

    file: Path = zn.outs_path(zn.nwd / "a.txt")

    def run(self) -> None:
        pass


class Unwritable(zn.Node):
    \"\"\"Give an object.\"\"\"

    out: int = zn.outs()

    def run(self) -> None:
        self.out = object()


class Lossy(zn.Node):
    \"\"\"Give a param that does not come back.\"\"\"

    pair: list[int] = zn.params()
    out: int = zn.outs()

    def run(self) -> None:
        self.out = 1


class Fails(zn.Node):
    \"\"\"Fail.\"\"\"

    def run(self) -> None:
        raise ValueError("on the example")
"""


@pytest.fixture
def own(modules):
    return modules.make(NODES)


def test_a_good_node_passes_and_is_handed_back(own):
    node = check_node(own.Good, numbers=np.array([1.0, 2.0]))
    np.testing.assert_array_equal(node.scaled, [2.0, 4.0])
    assert node.log.read_text() == "done"


@pytest.mark.parametrize(
    ("name", "example", "error", "message"),
    [
        ("Undocumented", {}, AssertionError, "Undocumented must have a docstring"),
        ("ChangesInputs", {"numbers": [2, 1]}, AssertionError, r"ChangesInputs\.run must not"),
        ("Random", {}, AssertionError, r"Random\.out\.json must be the same in two runs"),
        ("RandomFile", {}, AssertionError, r"RandomFile\.file/a\.txt must be the same in two runs"),
        ("Unset", {}, Exception, r"Unset\.out must be set by run"),
        ("UnsetFile", {}, AssertionError, r"UnsetFile\.file must be written by run\(\)"),
        ("Unwritable", {}, Exception, r"Unwritable\.out must be a value that its codec"),
        ("Lossy", {"pair": (1, 2)}, TypeError, r"Lossy\.pair must come back from the params file"),
        ("Fails", {}, ValueError, "on the example"),
        ("Good", {}, TypeError, "numbers"),
    ],
)
def test_every_violation_is_caught(own, name, example, error, message):
    with pytest.raises(error, match=message):
        check_node(getattr(own, name), **example)


def test_a_random_node_can_be_excused(own):
    check_node(own.Random, deterministic=False)


def test_a_class_without_a_module_is_caught(own):
    class Local(own.Random):
        """Stands in a function."""

    with pytest.raises(Exception, match="top level of a module"):
        check_node(Local)


def test_fingerprints_follow_the_content():
    from ase import Atoms

    first, second = Atoms("OH", [[0, 0, 0], [0, 0, 1]]), Atoms("OH", [[0, 0, 0], [0, 0, 1]])
    assert fingerprint([first]) == fingerprint([second])
    second.info["a"] = 1
    assert fingerprint([first]) != fingerprint([second])
    values = [1, 1.0, "1", [1], (1,), {"a": 1}, np.array([1]), np.array([1.0]), None, {"a": [1]}]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint([1, [2]]) != fingerprint([1, 2])
