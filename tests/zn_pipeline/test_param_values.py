"""Which values params may have, and that they come back as they were."""

import math
from pathlib import Path

import numpy as np
import pytest

import zn_pipeline as zn
from zn_pipeline.errors import FieldError

PARAMS = """\
import enum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zn_pipeline as zn


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Params(zn.Node):
    value: {annotation} = zn.params()
    out: str = zn.outs()

    def run(self) -> None:
        self.out = repr(self.value)
"""


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("tuple[int, ...]", (1, 2)),
        ("tuple[str, tuple[int, float]]", ("a", (1, 2.5))),
        ("Path", Path("a/b.txt")),
        ("list[Path]", [Path("a"), Path("b")]),
        ("float", np.float64(0.1)),
        ("int", np.int64(3)),
        ("bool", np.bool_(True)),
        ("dict[int, float]", {1: 0.5, 2: 1e-12}),
        ("dict[str, tuple[int, int]]", {"a": (1, 2)}),
        ("float", math.inf),
        ("float | None", None),
        ("str", "2024-01-01"),
        ("str", "yes"),
        ("str", "line one\nline: two # three"),
        ("str", ""),
        ("list[int]", []),
        ("dict[str, int]", {}),
        ("Literal['a', 'b']", "b"),
        ("str | int", "12"),
        ("Any", [1, [2, {"a": None}]]),
    ],
)
def test_params_come_back_as_they_were(modules, repro, annotation, value):
    own = modules.make(PARAMS.format(annotation=annotation))
    with repro():
        node = own.Params(value=value)
    plain = value.item() if isinstance(value, np.generic) else value
    assert node.out == repr(plain)
    assert zn.from_rev("Params").value == plain


@pytest.mark.parametrize("annotation", ["Colour", "list[Colour]", "dict[Colour, int]"])
def test_enums_come_back(modules, repro, annotation):
    own = modules.make(PARAMS.format(annotation=annotation))
    red = own.Colour.RED
    value = {"Colour": red, "list[Colour]": [red, own.Colour.BLUE]}.get(annotation, {red: 1})
    with repro():
        node = own.Params(value=value)
    assert node.out == repr(value)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        ("float", math.nan, "must not hold NaN"),
        ("list[float]", [1.0, math.nan], r"value\[1\] must not hold NaN"),
        ("Any", {1, 2}, "received set; sort it into a list"),
        ("Any", object(), "must be plain data .* received object"),
        ("Any", len, "must be plain data .* received builtin_function"),
        ("Any", np.zeros(3), r"received an array of shape \(3,\); pass \.tolist\(\)"),
        ("Any", (1, 2), "must come back from the params file as it was, received tuple"),
        ("int", "a", "must fit its annotation int, received str 'a'"),
        ("Any", {(1, 2): 3}, "must have text keys"),
        ("Any", {1: 2, "1": 3}, "must have keys that differ as text"),
    ],
)
def test_other_params_are_refused(modules, tmp_project, annotation, value, message):
    own = modules.make(PARAMS.format(annotation=annotation))
    with zn.Project() as project:
        own.Params(name="bad", value=value)
    with pytest.raises(FieldError, match=rf"bad\.value.*{message}|bad\.{message}"):
        project.build()
    assert not (tmp_project.path / "dvc.yaml").exists()


def test_a_reference_is_no_param(calc):
    with zn.Project() as project:
        calc.Const(name="bad", value=calc.Const(value=1).out)
    with pytest.raises(FieldError, match=r"bad\.value must be a plain value, .* zn\.deps\(\)"):
        project.build()
