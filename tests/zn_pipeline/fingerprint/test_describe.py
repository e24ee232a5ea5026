import pytest
from ase.build import bulk

import zn_pipeline as zn
from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.functions import differences, recipe_of
from zn_pipeline.node import load_node, state_of

NODES = """
from pathlib import Path
import zn_pipeline as zn
from {tools} import scale


class Model(zn.Node):
    size: int = zn.params(1)
    seed: int = zn.params(0)
    file: Path = zn.outs_path(zn.nwd / "model.txt")
    metrics: dict = zn.metrics()

    def run(self):
        self.file.write_text(str(self.size))
        self.metrics = {"seed": self.seed}

    def get_calculator(self, directory=None):
        return self._loaded()

    def _loaded(self):
        return scale(int(self.file.read_text()))


class Label(zn.Node):
    frames: list = zn.deps()
    model: Model = zn.deps(None)
    width: float = zn.params(1.0)
    other: float = zn.params(1.0)
    out: list = zn.outs()

    limit = 5

    def run(self):
        self.out = [self._one(frame) for frame in self.frames]

    def _one(self, atoms):
        return self._two(atoms) * self.limit

    def _two(self, atoms):
        return self.width * self.area

    @property
    def area(self):
        return 3

    def whole(self, atoms):
        return vars(self)

    def first(self, atoms):
        return self.frames[0]

    def modelled(self, atoms):
        return self.model.get_calculator()

    def made(self, atoms):
        return self.out

    def closed(self):
        return lambda atoms: atoms * self.width
"""
TOOLS = "FACTOR = 2\n\n\ndef scale(x):\n    return x * FACTOR\n"


@pytest.fixture
def own(modules):
    tools = modules.make(TOOLS)
    return modules.make(NODES.replace("{tools}", tools.__name__)), tools


def label(own, **fields):
    return own[0].Label(frames=[bulk("Cu")], **fields)


def test_only_what_a_method_reads_counts(own):
    before = recipe_of(label(own)._one)
    assert recipe_of(label(own, other=2.0)._one).id == before.id
    assert recipe_of(own[0].Label(frames=[], name="x")._one).id == before.id
    after = recipe_of(label(own, width=2.0)._one)
    assert differences(before.text, after.text) == ["params.width 1.0 -> 2.0"]


@pytest.mark.parametrize(
    "change",
    [("return 3", "return 4"), ("limit = 5", "limit = 6"), ("atoms) * self", "atoms) / self")],
)
def test_code_that_a_method_reaches_counts(modules, own, change):
    before = recipe_of(label(own)._one).id
    edited = modules.edit(own[0], change)
    assert recipe_of(edited.Label(frames=[])._one).id != before


def test_other_methods_do_not_count(modules, own):
    before = recipe_of(label(own)._one).id
    edited = modules.edit(own[0], ("self._one(frame) for", "self._one( frame ) or 1 for"))
    assert recipe_of(edited.Label(frames=[])._one).id == before


def test_closures_over_a_node(modules, own):
    before = recipe_of(label(own).closed())
    assert recipe_of(label(own, other=2.0).closed()).id == before.id
    assert recipe_of(label(own, width=2.0).closed()).id != before.id
    edited = modules.edit(own[0], ("return 3", "return 4"))
    assert recipe_of(edited.Label(frames=[]).closed()).id == before.id


def test_a_node_used_as_a_whole_counts_with_all_fields(own):
    before = recipe_of(label(own).whole).id
    assert recipe_of(label(own).whole).id == before
    assert recipe_of(label(own, other=2.0).whole).id != before
    assert recipe_of(own[0].Label(frames=[bulk("Ag")]).whole).id != before


def test_deps_count_by_content(own):
    before = recipe_of(label(own).first).id
    assert recipe_of(own[0].Label(frames=[bulk("Cu")]).first).id == before
    assert recipe_of(own[0].Label(frames=[bulk("Ag")]).first).id != before


def trained(own, **params):
    model = own[0].Model(**params)
    model.run()
    return model


def test_a_trained_model_counts_by_its_content(modules, own):
    first = trained(own)
    before = recipe_of(first)
    assert recipe_of(trained(own, seed=3)).id == before.id, "another training, the same model"
    after = recipe_of(trained(own, size=2))
    assert differences(before.text, after.text) == ["content of file model.txt changed"]
    modules.edit(own[1], ("FACTOR = 2", "FACTOR = 3"))
    assert recipe_of(first).id != before.id


def test_a_model_that_another_node_uses(own):
    ids = [
        recipe_of(label(own, model=trained(own, **params)).modelled).id
        for params in ({}, {"seed": 3}, {"size": 2})
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_node_may_make_its_own_key(modules):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Model(zn.Node):\n"
        "    size: int = zn.params(1)\n"
        "    def get_calculator(self, directory=None):\n        return self.size\n"
        "    def __cache_key__(self):\n        return self.size // 10\n"
    )
    assert recipe_of(own.Model(size=11)).id == recipe_of(own.Model(size=12)).id
    assert recipe_of(own.Model(size=11)).id != recipe_of(own.Model(size=21)).id


def test_the_version_of_a_node_stands_for_its_code(modules):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Label(zn.Node, version='1'):\n"
        "    def one(self, atoms):\n        return 1\n"
    )
    before = recipe_of(own.Label().one).id
    own = modules.edit(own, ("return 1", "return 2"))
    assert recipe_of(own.Label().one).id == before
    own = modules.edit(own, ("version='1'", "version='2'"))
    assert recipe_of(own.Label().one).id != before


def test_outputs_count_once_they_are_made(own):
    before = label(own)
    ids = [recipe_of(before.whole).id, recipe_of(before.made).id]
    before.out = [1, 2]
    assert recipe_of(before.whole).id != ids[0]
    assert recipe_of(before.made).id != ids[1]


def test_outputs_of_earlier_runs_do_not_count(own, monkeypatch):
    class Source:
        def value(self, name, spec):
            return [spec.name]

        def shown(self, path):
            return path

    node = load_node(own[0].Label, "label", (), "label", Source())
    loaded = recipe_of(node.made).id
    node = load_node(own[0].Label, "label", (), "label", Source())
    state_of(node).scratch = own[0].Path("scratch")
    assert recipe_of(node.made).id != loaded
    assert recipe_of(node.made).id == recipe_of(label(own).made).id


def test_the_framework_itself_does_not_count(own):
    assert "zn_pipeline" not in str(recipe_of(label(own)._one).text["versions"])
    assert issubclass(own[0].Label, zn.Node)


CALLABLES = """
import dataclasses
import pydantic
from {tools} import scale

@dataclasses.dataclass(frozen=True)
class Data:
    width: float = 1.0
    cores: int = dataclasses.field(default=1, metadata={"key": False})
    def __call__(self, x):
        return scale(x) * self.width
    def half(self, x):
        return x / 2
    @classmethod
    def made(cls, x):
        return x

class Model(pydantic.BaseModel):
    width: float = 1.0
    cores: int = pydantic.Field(default=1, json_schema_extra={"key": False})
    def __call__(self, x):
        return scale(x) * self.width

class Bare:
    def __call__(self, x):
        return x

class Stateful:
    def __init__(self):
        self.width = 1
    def __call__(self, x):
        return x

class Keyed(Stateful):
    def __cache_key__(self):
        return self.width
"""


@pytest.fixture
def callables(modules):
    tools = modules.make(TOOLS)
    return modules.make(CALLABLES.replace("{tools}", tools.__name__)), tools


@pytest.mark.parametrize("name", ["Data", "Model"])
def test_objects_that_can_be_called(modules, callables, name):
    own, tools = callables
    made = getattr(own, name)
    before = recipe_of(made(width=2.0))
    assert before.text["function"] == name
    assert recipe_of(made(width=2.0, cores=8)).id == before.id
    after = recipe_of(made(width=3.0))
    assert differences(before.text, after.text) == ["params.width 2.0 -> 3.0"]
    modules.edit(tools, ("FACTOR = 2", "FACTOR = 3"))
    assert recipe_of(made(width=2.0)).id != before.id


def test_methods_of_objects(callables):
    own, _ = callables
    ids = {
        recipe_of(call).id
        for call in (
            own.Data(), own.Data().half, own.Data(width=2).half, own.Data.made, own.Data().__call__,
        )
    }  # fmt: skip
    assert len(ids) == 5
    assert recipe_of(own.Data().half).id == recipe_of(own.Data(cores=3).half).id


def test_objects_with_hidden_state(callables):
    own, _ = callables
    assert recipe_of(own.Bare()).id == recipe_of(own.Bare()).id
    with pytest.raises(NotCacheableError, match=r"Stateful: params must be .* __cache_key__"):
        recipe_of(own.Stateful())
    keyed = own.Keyed()
    before = recipe_of(keyed).id
    keyed.width = 2
    assert recipe_of(keyed).id != before
