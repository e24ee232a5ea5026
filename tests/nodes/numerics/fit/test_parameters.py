import numpy as np
import pytest

from nodes.numerics.fit.config import Optimizer
from nodes.numerics.fit.parameters import (
    FROZEN,
    groups_of,
    matches,
    parameter_names,
    require_matches,
)

WEIGHTS = {
    "layers": [
        {"b": np.zeros(2), "w": np.zeros((3, 2))},
        {"b": np.zeros(1), "w": np.zeros((2, 1))},
    ],
    "representation": {"radial": np.zeros(3)},
    "scale": np.zeros(2),
}
NAMES = (
    "layers.0.b", "layers.0.w", "layers.1.b", "layers.1.w", "representation.radial", "scale",
)  # fmt: skip


def test_names_are_places():
    assert parameter_names(WEIGHTS) == NAMES


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("layers", NAMES[:4]),
        ("layers.1", NAMES[2:4]),
        ("*.w", (NAMES[1], NAMES[3])),
        ("scal", ()),
        ("*", NAMES),
    ],
)
def test_patterns(pattern, expected):
    assert tuple(n for n in NAMES if matches(n, (pattern,))) == expected


def test_groups_follow_the_longest_pattern():
    optimizer = Optimizer(
        learning_rate=0.1,
        rates={"layers": 0.2, "layers.1": 0.1, "scale": 1e-7, "corrections.zbl": 1.0},
        freeze=("layers.0.b",),
    )
    groups, peaks = groups_of(optimizer, WEIGHTS)
    assert peaks == (0.1, 0.2)
    assert groups == (FROZEN, 1, 0, 0, 0, FROZEN)


def test_what_fits_nothing_is_refused():
    with pytest.raises(ValueError, match=r"freeze must name parameters among .*'layer'"):
        groups_of(Optimizer(freeze=("layer",)), WEIGHTS)
    with pytest.raises(ValueError, match="must change at least one parameter"):
        groups_of(Optimizer(freeze=("*",)), WEIGHTS)
    require_matches("load", ("scale",), NAMES)
