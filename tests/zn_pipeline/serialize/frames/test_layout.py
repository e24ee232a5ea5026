"""Names in the file, and the schema as text."""

import copy

import pytest

from zn_pipeline.serialize.frames.layout import (
    MISSING,
    ColumnSpec,
    Layout,
    dump_schema,
    load_schema,
    public_path,
)


@pytest.mark.parametrize(
    ("origin", "key", "per_atom", "path"),
    [
        ("atoms", "numbers", True, "particles/atoms/species"),
        ("atoms", "cell", False, "particles/atoms/box/edges"),
        ("calc", "forces", True, "particles/atoms/force"),
        ("calc", "energy", False, "observables/atoms/potential_energy"),
        ("calc", "stress", False, "observables/atoms/stress"),
        ("arrays", "momenta", True, "particles/atoms/momenta"),
        ("info", "weights", True, "observables/atoms/weights"),
        ("info", "a/b", False, None),
        ("info", "position", False, None),
        ("info", "positions", False, None),
        ("arrays", "velocities", True, None),
        ("arrays", "box", True, None),
        ("info", "", False, None),
        ("info", "..", False, None),
    ],
)
def test_path_is_where_znh5md_looks(origin, key, per_atom, path):
    assert public_path(origin, key, per_atom=per_atom) == path


def test_schema_round_trip():
    column = ColumnSpec(
        "info", "x", "number", "p", (Layout("array", "<f8", (None, 3)), Layout("int")), False
    )
    assert load_schema(dump_schema([column], 7, 16)) == ([column], 7, 16)


def test_the_mark_for_absent_is_one_object():
    assert copy.deepcopy([MISSING]) == [MISSING]


def test_shape_for_fills_in_the_number_of_atoms():
    assert Layout("array", "<f8", (None, 3)).shape_for(5) == (5, 3)
