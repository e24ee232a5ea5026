import pytest

import zn_pipeline as zn
from zn_pipeline.errors import FieldError, NameCollisionError
from zn_pipeline.records import Kind, NodeRecord, OutputSpec
from zn_pipeline.serialize.describe import DONE_FILE, Describer, check_paths


def describe(project):
    return {r.name: r for r in Describer(project.nodes.values()).describe_all()}


def test_the_record_of_a_node(calc):
    with zn.Project() as project, project.group("g"):
        x = calc.Const(value=1)
        calc.Read(first=calc.Write(text="a").file, second="data.txt")
        calc.Echo(name="plus", value=x.plus)
        calc.Echo(name="param", value=x.value)
    records = describe(project)
    const = records["g_Const"]
    assert const.params == {"value": 1}
    assert [(o.field, o.kind, o.path) for o in const.outs] == [
        ("out", Kind.OUTS, "outs/g/Const/out.json")
    ]
    assert const.entry["class"] == f"{calc.__name__}:Const"
    assert const.entry["groups"] == ["g"]
    assert const.entry["outs"] == {"out": "out.json"}
    read = records["g_Read"]
    assert read.deps == ("data.txt", "outs/g/Write/text.txt")
    assert read.entry["paths"]["second"] == "data.txt"
    plus = records["g_plus"]
    assert (plus.deps, plus.reads_params) == (("outs/g/Const/out.json",), ("g_Const",))
    assert plus.reads_graph == ("g_Const",)
    param = records["g_param"]
    assert (param.deps, param.reads_params, param.reads_graph) == ((), ("g_Const.value",), ())


def test_what_a_whole_node_reads_is_read_too(calc):
    with zn.Project() as project:
        x = calc.Const(name="x", value=1)
        y = calc.Echo(name="y", value=x)
        calc.Echo(name="z", value=[y, x.value])
    z = describe(project)["z"]
    assert z.deps == ("outs/x/out.json", "outs/y/out.json")
    assert z.reads_graph == ("x", "y")
    assert z.reads_params == ("x",), "all of x covers x.value"


def test_a_node_without_outputs_has_a_marker(modules):
    own = modules.make("import zn_pipeline as zn\nclass Empty(zn.Node):\n    def run(self): pass\n")
    with zn.Project() as project:
        own.Empty()
    (record,) = describe(project).values()
    assert [out.path for out in record.outs] == [f"outs/Empty/{DONE_FILE}"]


def record(name, *paths):
    outs = tuple(OutputSpec("f", Kind.OUTS_PATH, path, cache=True) for path in paths)
    return NodeRecord(name, (), {}, {}, (), (), (), (), outs)


@pytest.mark.parametrize("paths", [("a", "a"), ("a/b", "a"), ("a", "a/b/c")])
def test_paths_belong_to_one_node(paths):
    with pytest.raises(NameCollisionError, match="must write a path of its own"):
        check_paths([record("one", paths[0]), record("two", paths[1])])
    with pytest.raises(NameCollisionError, match=r"one\.f must write a path of its own"):
        check_paths([record("one", *paths)])


def test_neighbouring_paths_are_fine():
    check_paths([record("one", "a/b", "a/bc"), record("two", "a/b2", "ab")])


@pytest.mark.parametrize(
    "path",
    ["", ".", "/tmp/a", "../a", "a/../b", ".git/a", ".dvc", "outs", "dvc.yaml", "params.yaml"],
)
def test_what_is_not_the_nodes_own_is_never_written(path):
    """What lies at the path of an output is removed before the node runs."""
    with pytest.raises(FieldError, match=r"one\.f must write a path inside the project's folder"):
        check_paths([record("one", path)])


def test_the_folder_of_another_node_is_not_written():
    with pytest.raises(NameCollisionError, match=r"lies inside 'outs/two' of two"):
        check_paths([record("one", "outs/two/a"), record("two", "b")])
