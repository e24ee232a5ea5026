import pytest

import zn_pipeline as zn
from zn_pipeline.errors import PipelineError
from zn_pipeline.execute.session import Session
from zn_pipeline.execute.stages import Stage
from zn_pipeline.execute.staleness import outputs_in_place, reasons, recorded_outputs
from zn_pipeline.store.lockfile import LockFile
from zn_pipeline.store.objects import HashState


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"cmd": "other"}, ["command changed"]),
        ({"deps": [{"path": "a", "md5": "2"}]}, ["file a changed"]),
        (
            {"deps": [{"path": "b", "md5": "1"}]},
            ["file a is no dependency any more", "file b is a new dependency"],
        ),
        ({"params": {"params.yaml": {"A": {"x": 2, "y": 0}}}}, ["param A.x: 1 -> 2"]),
        (
            {"params": {"params.yaml": {"A": {"x": 1}}}},
            ["param A.y: 0 -> null"],
        ),
    ],
)
def test_reasons_are_for_people(change, expected):
    old = {
        "cmd": "run",
        "deps": [{"path": "a", "md5": "1"}],
        "params": {"params.yaml": {"A": {"x": 1, "y": 0}}},
    }
    stage = Stage.from_entry("A", {"cmd": "run"})
    assert reasons(stage, {**old, **change}, old) == expected
    assert reasons(stage, old, None) == ["never run"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"class": "m:A"}, {"class": "m:B"}, "class of A: m:A -> m:B"),
        ({"class": "m:A", "code": "1"}, {"class": "m:A", "code": "2"}, "code of m:A changed"),
        ({"wires": {"x": None}}, {"wires": {"x": {"node": "B"}}}, "wire A.x changed"),
        ({"paths": {"f": "a"}}, {"paths": {"f": "b"}}, "paths of A changed"),
    ],
)
def test_reasons_in_the_graph(old, new, expected):
    stage = Stage.from_entry("A", {"cmd": "run"})
    pair = [{"cmd": "run", "params": {"graph.json": {"A": entry}}} for entry in (old, new)]
    assert reasons(stage, pair[1], pair[0]) == [expected]


def keys(project):
    """Return the name-free key of every node of a project that was run."""
    session = Session(project.root)
    inputs = session._inputs()
    return {
        name: inputs.content_key(stage, inputs.expected(stage))
        for name, stage in session.stages.stages.items()
    }


def run(make, **options):
    project = zn.Project()
    with project:
        make(project)
    project.repro(executor=zn.SequentialExecutor())
    return keys(project)


def test_keys_hold_no_names(calc, tmp_project):
    def first(project):
        x = calc.Const(name="x", value=1)
        calc.Echo(name="by_out", value=[x.out, x.value])
        calc.Echo(name="by_node", value={"n": x})
        calc.Read(name="by_file", first=calc.Write(name="w", text="a").file)

    def second(project):
        with project.group("g"):
            x = calc.Const(name="a", value=1)
            calc.Echo(name="b", value=[x.out, x.value])
            calc.Echo(name="c", value={"n": x})
            calc.Read(name="d", first=calc.Write(name="e", text="a").file)

    one, two = run(first), run(second)
    pairs = {"x": "a", "by_out": "b", "by_node": "c", "by_file": "d", "w": "e"}
    for old, new in pairs.items():
        assert one[old] == two[f"g_{new}"]
    assert len(set(one.values())) == 5


def test_keys_hold_all_that_is_read(calc, tmp_project):
    def make(value, text, attribute):
        def inner(project):
            x = calc.Const(name="x", value=value)
            calc.Echo(name="out", value=x.out)
            calc.Echo(name="param", value=x.value)
            calc.Echo(name="node", value=x)
            calc.Echo(name="attribute", value=getattr(x, attribute))
            calc.Read(name="file", first=calc.Write(name="w", text=text).file, second="own.txt")

        return inner

    tmp_project.write("own.txt", "1")
    base = run(make(1, "a", "plus"))
    other = run(make(2, "a", "plus"))
    assert all(base[n] != other[n] for n in ("x", "out", "param", "node", "attribute"))
    assert base["file"] == other["file"]
    assert run(make(1, "b", "plus"))["file"] != base["file"]
    assert run(make(1, "a", "minus"))["attribute"] != base["attribute"]
    tmp_project.write("own.txt", "2")
    assert run(make(1, "a", "plus"))["file"] != base["file"]


def test_missing_inputs_are_named(calc, repro, tmp_project):
    with repro(check=False):
        calc.Read(first="data.csv")
    session = Session(tmp_project.path)
    (tmp_project.path / "data.csv.dvc").write_text("outs: []\n")
    with pytest.raises(PipelineError, match=r"data\.csv must exist, .*run 'dvc pull'"):
        session._inputs().expected(session.stages.stages["Read"])
    (tmp_project.path / "params.yaml").unlink(missing_ok=True)
    stage = Stage.from_entry("A", {"cmd": "x", "params": [{"s.yaml": None}, "A.x"]})
    with pytest.raises(PipelineError, match=r"the params file params\.yaml must exist"):
        session._inputs().expected(stage)
    tmp_project.write("params.yaml", "A:\n  y: 1\n")
    with pytest.raises(PipelineError, match=r"params\.yaml must hold 'A\.x', which A reads"):
        session._inputs().expected(stage)


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.yaml", "a: 1\n"), ("s.json", '{"a": 1}'), ("s.toml", "a = 1\n")],
)
def test_params_files_of_all_formats(tmp_project, name, text):
    tmp_project.write(name, text)
    stage = Stage.from_entry("A", {"cmd": "x", "params": [{name: ["a"]}]})
    session = Session(tmp_project.path, {"A": stage})
    assert session._inputs().expected(stage)["params"] == {name: {"a": 1}}


def test_outputs_in_place(calc, repro, tmp_project):
    with repro():
        calc.Const(value=1)
    stage = Session(tmp_project.path).stages.stages["Const"]
    entry = LockFile(tmp_project.path / "dvc.lock").entry("Const")
    state = HashState(tmp_project.path / "state.json")
    recorded = recorded_outputs(stage, entry)
    assert outputs_in_place(stage, entry, tmp_project.path, state) == recorded
    (tmp_project.path / "outs" / "Const" / "out.json").write_text("5")
    assert outputs_in_place(stage, entry, tmp_project.path, state) is None
    (tmp_project.path / "outs" / "Const" / "out.json").unlink()
    assert outputs_in_place(stage, entry, tmp_project.path, state) is None
    assert recorded_outputs(stage, {**entry, "outs": []}) is None
