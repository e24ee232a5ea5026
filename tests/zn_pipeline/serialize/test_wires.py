import dataclasses

import pydantic
import pytest

import zn_pipeline as zn
from zn_pipeline.errors import FieldError, PipelineError
from zn_pipeline.node import state_of
from zn_pipeline.serialize.wires import (
    Encoder,
    decode,
    import_object,
    is_spec,
    map_references,
    references,
)


@dataclasses.dataclass(frozen=True)
class Spec:
    number: float = 1.0
    inner: object = None


class Model(pydantic.BaseModel):
    number: int = 1


def encode(value):
    encoder = Encoder(lambda node, where: {"node": state_of(node).stage}, "Node.field")
    return encoder, *encoder.encode(value)


@pytest.fixture
def node(calc):
    with zn.Project(), zn.Project.group.__get__(_active())("g"):
        made = calc.Sequence(name="s")
        yield made


def _active():
    from zn_pipeline.node import ACTIVE

    return ACTIVE.get()


def test_wires_of_all_forms(node):
    ref = node.numbers
    at = {"node": "g_s", "get": ["numbers"]}
    cases = [
        (None, None),
        (ref, at),
        (ref[3], {"node": "g_s", "get": ["numbers", 3]}),
        (ref[1:], {"node": "g_s", "get": ["numbers", {"slice": [1, None, None]}]}),
        (node, {"node": "g_s"}),
        (ref + ref, {"sum": [at, at]}),
        ([ref, None], [at, None]),
        ((ref,), {"tuple": [at]}),
        ({"k": ref}, {"dict": {"k": at}}),
    ]
    for value, wire in cases:
        encoder, got, values = encode(value)
        assert (got, values) == (wire, None)
        assert len(encoder.refs) == str(wire).count("g_s")


def test_specs_divide_into_wiring_and_values(node):
    value = [Spec(2.0, node.numbers), Spec(3.0, Spec(4.0)), Model(number=5)]
    _, wire, values = encode(value)
    assert values == [{"number": 2.0}, {"number": 3.0, "inner": {"number": 4.0, "inner": None}},
                      {"number": 5}]  # fmt: skip
    assert wire[0]["spec"] == f"{__name__}:Spec"
    assert wire[0]["fields"] == {"inner": {"node": "g_s", "get": ["numbers"]}}
    assert wire[1]["code"] == wire[0]["code"] != wire[2]["code"]


def test_decode_is_the_inverse():
    class Loaded:
        def __init__(self, name):
            self.numbers = [name, 1, 2, 3]

    value = {"a": (Spec(2.0, [None, Spec()]), Model(number=7)), "b": None, "c": [[], {}]}
    _, wire, values = encode(value)

    def load(wire):
        return Loaded(wire["node"])

    importable = map_spec(wire)
    assert decode(importable, values, load) == value
    at = {"node": "s", "get": ["numbers", {"slice": [1, None, None]}]}
    assert decode({"sum": [at, at]}, None, load) == [1, 2, 3, 1, 2, 3]
    assert decode({"tuple": [at, None]}, None, load) == ([1, 2, 3], None)
    assert isinstance(decode({"node": "s"}, None, load), Loaded)


def map_spec(wire):
    """Name the classes of this file by a module that can be imported again."""
    import json
    import sys
    from types import ModuleType

    module = ModuleType("wires_of_the_test")
    module.Spec, module.Model = Spec, Model
    sys.modules[module.__name__] = module
    return json.loads(json.dumps(wire).replace(f"{__name__}:", f"{module.__name__}:"))


def test_walks_reach_every_reference():
    at = {"node": "s", "get": ["x"]}
    spec = {"spec": "m:S", "fields": {"f": at}}
    wire = [{"sum": [at]}, {"tuple": [at]}, {"dict": {"k": [at]}}, spec]
    assert list(references(wire)) == [at] * 4
    changed = map_references(wire, lambda found: found["node"].upper())
    assert changed == [{"sum": ["S"]}, {"tuple": ["S"]}, {"dict": {"k": ["S"]}},
                       {"spec": "m:S", "fields": {"f": "S"}}]  # fmt: skip


@pytest.mark.parametrize("value", [1, "a", {1: None}, object(), {1, 2}, [1]])
def test_other_values_are_refused(value):
    with pytest.raises(FieldError, match=r"Node\.field(\[0\])? must"):
        encode(value)


def test_what_is_a_spec():
    assert is_spec(Spec())
    assert is_spec(Model())
    assert not is_spec(Spec)
    assert not is_spec(1)


def test_import_object():
    assert import_object("pathlib:Path.home")().is_absolute()
    with pytest.raises(ModuleNotFoundError, match="'no_such_module' of Node must be importable"):
        import_object("no_such_module:Node")
    with pytest.raises(PipelineError, match=r"pathlib must define Node, .* build again"):
        import_object("pathlib:Node")
