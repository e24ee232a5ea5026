"""All that a dependency may be: references in containers, nodes, specs, other revisions."""

import json
from pathlib import Path

import pytest

import zn_pipeline as zn
from zn_pipeline.errors import FieldError
from zn_pipeline.execute.session import Session
from zn_pipeline.testing import TemporaryProject


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (lambda s: s.numbers[1], 1),
        (lambda s: s.numbers[-1], 3),
        (lambda s: s.numbers[::2], [0, 2]),
        (lambda s: s.numbers[1:3][0], 1),
        (lambda s: s.named["last"], 3),
        (lambda s: s.numbers + s.numbers[:1], [0, 1, 2, 3, 0]),
        (lambda s: sum([s.numbers, s.numbers]), [0, 1, 2, 3, 0, 1, 2, 3]),
        (lambda s: sum((s.numbers, s.numbers), start=[]), [0, 1, 2, 3, 0, 1, 2, 3]),  # noqa: RUF017
        (lambda s: [s.numbers[0], s.named], [0, {"first": 0, "last": 3}]),
        (lambda s: (s.numbers[0], s.numbers[1]), [0, 1]),
        (lambda s: {"a": s.numbers[3], "b": [s.length]}, {"a": 3, "b": [4]}),
        (lambda s: None, None),
        (lambda s: [], []),
        (lambda s: {}, {}),
    ],
)
def test_forms_of_dependencies(calc, repro, pick, expected):
    with repro():
        echo = calc.Echo(value=pick(calc.Sequence()))
    assert echo.out == expected


def test_containers_keep_their_types(calc, repro):
    with repro():
        s = calc.Sequence()
        echo = calc.Echo(value=(s.numbers[0], [s.length], {"k": None}))
    assert echo.value == (0, [4], {"k": None})
    assert isinstance(echo.value, tuple)


def test_properties_and_methods_are_dependencies_and_are_called_late(calc, modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Power(zn.Node):\n"
        "    power: object = zn.deps()\n"
        "    plus: float = zn.deps()\n"
        "    out: float = zn.outs()\n"
        "    def run(self):\n        self.out = self.power(2) + self.plus\n"
    )
    with repro():
        x = calc.Const(value=5)
        node = own.Power(power=x.power, plus=x.plus)
    assert node.out == 31


def test_a_property_is_not_evaluated_while_building(modules, repro):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "class Shy(zn.Node):\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n        self.out = 1\n"
        "    @property\n"
        "    def late(self):\n        raise RuntimeError('evaluated')\n"
    )
    with zn.Project():
        shy = own.Shy()
        assert repr(shy.late) == "<Ref Shy.late>"


def test_a_whole_node_depends_on_all_that_it_reads(calc, repro, tmp_project: TemporaryProject):
    with repro():
        x = calc.Const(value=5)
        through = calc.Through(node=x)
    assert through.out == 5005
    assert isinstance(through.node, calc.Const)
    assert through.node.value == 5
    text = (tmp_project.path / "dvc.yaml").read_text()
    assert "outs/Const/out.json" in text.partition("Through:")[2]


def test_nodes_without_outputs_order_the_graph(modules, repro, tmp_project: TemporaryProject):
    own = modules.make(
        "import zn_pipeline as zn\n"
        "from pathlib import Path\n"
        "class Note(zn.Node):\n"
        "    word: str = zn.params()\n"
        "    after: object = zn.deps(None)\n"
        "    def run(self):\n"
        "        with Path('notes.txt').open('a') as file:\n"
        "            file.write(self.word)\n"
    )
    with zn.Project() as project:
        last = own.Note(name="a", word="last")
        middle = own.Note(name="b", word="middle")
        first = own.Note(name="c", word="first")
    zn_state = {"middle": (middle, first), "last": (last, middle)}
    for node, above in zn_state.values():
        node.__dict__["_zn"].inputs["after"] = above
    project.repro(executor=zn.SequentialExecutor())
    assert (tmp_project.path / "notes.txt").read_text() == "firstmiddlelast"
    report = project.repro(executor=zn.SequentialExecutor())
    assert report.unchanged == ["a", "b", "c"]


def test_an_output_file_is_a_dependency_file(calc, repro, tmp_project: TemporaryProject):
    tmp_project.write("own.txt", "own")
    with repro():
        one, two = calc.Write(name="one", text="1"), calc.Write(name="two", text="2")
        both = calc.Read(first=one.file, second=two.file)
        mixed = calc.Read(first=two.file, second="own.txt")
    assert (both.out, mixed.out) == ("1|2", "2|own")
    with repro():
        one, two = calc.Write(name="one", text="1"), calc.Write(name="two", text="2")
        swapped = calc.Read(first=two.file, second=one.file)
    assert swapped.out == "2|1"


def test_a_dependency_can_be_set_after_the_node_was_made(calc, repro):
    with repro():
        x, y = calc.Const(name="x", value=1), calc.Const(name="y", value=2)
        echo = calc.Echo(value=x.out)
        echo.value = [y.out]
    assert (echo.out, echo.value) == ([2], [2])
    with repro():
        late = calc.Echo(value=calc.Const(name="x", value=1).out)
        with pytest.raises(AttributeError, match="the name of Echo must be given when"):
            late.name = "other"


def test_an_output_that_is_no_file_cannot_be_a_dependency_file(calc, repro):
    with pytest.raises(FieldError, match=r"Read\.first must be a path or the outs_path"), repro():
        calc.Read(first=calc.Const(value=1).out)


@pytest.mark.parametrize("value", [1, "text", [1, 2], {"a": 1.5}, {1, 2}])
def test_a_plain_value_is_no_dependency(calc, repro, value):
    with pytest.raises(FieldError, match=r"Echo\.value.* must be .*zn\.params\(\)"), repro():
        calc.Echo(value=value)


def test_a_node_from_outside_is_no_dependency(calc, repro):
    free = calc.Const(value=1)
    message = r"Echo\.value must refer to a node of this project"
    with pytest.raises(FieldError, match=message), repro():
        calc.Echo(value=free)


def test_an_unknown_attribute_fails_where_it_is_written(calc):
    with zn.Project():
        x = calc.Const(name="x", value=1)
        message = r"x .* has no field, .* 'outt'; did you mean 'out'"
        with pytest.raises(AttributeError, match=message):
            x.outt  # noqa: B018


SPECS = """\
import dataclasses
from pathlib import Path
from typing import Any

import pydantic
import zn_pipeline as zn


@dataclasses.dataclass(frozen=True)
class Inner:
    factor: float = 2.0

    def apply(self, x):
        return self.factor * x


@dataclasses.dataclass(frozen=True)
class Outer:
    parts: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = dataclasses.field(default_factory=dict)

    def apply(self, x):
        for part in (*self.parts, *self.by_name.values()):
            x = part.apply(x)
        return x


class Model(pydantic.BaseModel):
    shift: float = 0.0
    pair: tuple[int, int] = (0, 0)

    def apply(self, x):
        return x + self.shift


@dataclasses.dataclass(frozen=True)
class FromFile:
    path: Path

    def apply(self, x):
        return x + float(self.path.read_text())


@dataclasses.dataclass(frozen=True)
class FromNode:
    offset: Any = None

    def apply(self, x):
        return x + self.offset


@dataclasses.dataclass
class Open:
    x: int = 1


class Apply(zn.Node):
    \"\"\"Apply a spec to a number.\"\"\"

    spec: Any = zn.deps()
    number: float = zn.params(1.0)
    out: float = zn.outs()

    def run(self) -> None:
        specs = self.spec if isinstance(self.spec, list) else [self.spec]
        for spec in specs:
            self.number = spec.apply(self.number)
        self.out = self.number
"""


@pytest.fixture
def specs(modules):
    return modules.make(SPECS)


def test_a_frozen_dataclass_is_a_spec(specs, repro, tmp_project: TemporaryProject):
    with repro():
        apply = specs.Apply(spec=specs.Inner(factor=3.0))
    assert apply.out == 3
    assert apply.spec == specs.Inner(factor=3.0)
    assert apply.number == 1.0, "what run does to a param stays in run"
    assert "factor: 3.0" in (tmp_project.path / "params.yaml").read_text()
    with repro():
        apply = specs.Apply(spec=specs.Inner(factor=4.0))
    assert apply.out == 4


def test_nested_specs_come_back_with_their_types(specs, repro):
    outer = specs.Outer((specs.Inner(2.0), specs.Inner(5.0)), {"x": specs.Inner(10.0)})
    with repro():
        apply = specs.Apply(spec=outer)
    assert apply.out == 100
    assert apply.spec == outer


def test_a_pydantic_model_is_a_spec(specs, repro):
    with repro():
        apply = specs.Apply(spec=specs.Model(shift=4.0, pair=(1, 2)))
    assert apply.out == 5
    assert apply.spec == specs.Model(shift=4.0, pair=(1, 2))


def test_a_list_of_specs_keeps_its_order(specs, repro):
    for order, result in ((1, 8), (-1, 6)):
        parts = [specs.Inner(2.0), specs.Model(shift=4.0), None][:2][::order]
        with repro():
            apply = specs.Apply(spec=parts, number=2.0 if order == 1 else 1.0)
        assert apply.out == {8: 8, 6: 10}[result]


def test_a_file_of_a_spec_is_tracked(specs, repro, tmp_project: TemporaryProject):
    from pathlib import Path

    for text in ("1", "2"):
        tmp_project.write("number.txt", text)
        with repro():
            apply = specs.Apply(spec=specs.FromFile(Path("number.txt")))
        assert apply.out == 1 + float(text)


def test_a_node_inside_a_spec_is_a_dependency(specs, calc, repro):
    for value in (10, 20):
        with repro():
            x = calc.Const(value=value)
            apply = specs.Apply(spec=[specs.FromNode(x.out), specs.Inner(2.0)])
        assert apply.out == 2 * (1 + value)
        assert repro.done == {"Const", "Apply"}


def test_a_changed_class_of_a_spec_reruns(specs, modules, repro):
    with repro():
        specs.Apply(spec=specs.Inner(2.0))
    specs = modules.edit(specs, ("return self.factor * x", "return 10 * self.factor * x"))
    with repro():
        apply = specs.Apply(spec=specs.Inner(2.0))
    assert repro.done == {"Apply"}
    assert apply.out == 20


def test_code_that_a_spec_names_counts(modules, repro):
    tools = modules.make("def tool():\n    return 1\n")
    own = modules.make(
        "import dataclasses, importlib\nimport zn_pipeline as zn\n"
        "@dataclasses.dataclass(frozen=True)\nclass ByName:\n    target: str\n"
        "class Use(zn.Node):\n"
        "    spec: ByName = zn.deps()\n"
        "    out: int = zn.outs()\n"
        "    def run(self):\n"
        "        module, _, name = self.spec.target.partition(':')\n"
        "        self.out = getattr(importlib.import_module(module), name)()\n"
    )
    with repro():
        own.Use(spec=own.ByName(target=f"{tools.__name__}:tool"))
        own.Use(spec=own.ByName(target="time:time_ns"))
    modules.edit(tools, ("return 1", "return 2"))
    session = Session(Path.cwd())
    session.refresh()
    assert session.repro((), zn.SequentialExecutor()).done == ["Use"]
    own = modules.edit(own)
    with repro():
        use = own.Use(spec=own.ByName(target=f"{tools.__name__}:tool"))
    assert (repro.report.unchanged, use.out) == (["Use"], 2)


def test_a_spec_must_be_frozen(specs, repro):
    message = r"Apply\.spec must be a frozen dataclass, received Open"
    with pytest.raises(FieldError, match=message), repro():
        specs.Apply(spec=specs.Open())


def test_nodes_of_another_revision_are_dependencies(calc, repro, tmp_project: TemporaryProject):
    with repro():
        calc.Const(name="x", value=5)
        calc.Const(name="y", value=7)
    commit = tmp_project.commit("first")
    x, y = (zn.from_rev(name, rev="HEAD") for name in ("x", "y"))
    with repro():
        calc.Const(name="x", value=100)
        total = calc.Total(numbers=[x.out, y.out])
        through = calc.Through(node=x)
    assert total.out == 12
    assert through.out == 5005
    wires = json.loads((tmp_project.path / "graph.json").read_text())["Total"]["wires"]
    assert wires["numbers"][0] == {
        "node": "x", "remote": None, "rev": commit, "get": ["out"]
    }  # fmt: skip
    with repro():
        calc.Const(name="x", value=100)
        calc.Total(numbers=[x.out, y.out])
        calc.Through(node=x)
    assert repro.done == set()


def test_a_wire_to_an_earlier_revision_survives_a_clone(
    calc, repro, tmp_project: TemporaryProject, tmp_path_factory
):
    with repro():
        calc.Const(name="x", value=5)
    tmp_project.commit("first")
    x = zn.from_rev("x", rev="HEAD")
    with repro():
        calc.Echo(value=x.out)
    tmp_project.commit("second")
    clone = tmp_path_factory.mktemp("clone")
    tmp_project.git("clone", "--quiet", str(tmp_project.path), str(clone))
    assert str(tmp_project.path) not in (clone / "graph.json").read_text()
    for rev in ("HEAD", None):
        assert zn.from_rev("Echo", str(clone), rev).value == 5


def test_a_node_of_the_workspace_has_no_address(calc, repro, tmp_project: TemporaryProject):
    with repro():
        calc.Const(name="x", value=5)
    x = zn.from_rev("x")
    with pytest.raises(zn.PipelineError, match="must be of a fixed revision"), repro():
        calc.Echo(value=x.out)


def test_an_output_file_of_another_revision_is_a_dependency_file(calc, repro, tmp_project):
    with repro():
        calc.Write(text="old")
    tmp_project.commit("first")
    old = zn.from_rev("Write", rev="HEAD")
    with repro():
        new = calc.Write(text="new")
        read = calc.Read(first=old.file, second=new.file)
    assert read.out == "old|new"
