import json

import pytest
import yaml

from zn_pipeline.records import Kind, NodeRecord, OutputSpec, PlotOptions
from zn_pipeline.serialize.dvc_yaml import (
    ForeignParts,
    dvc_text,
    graph_text_of,
    params_text,
    plot_entries,
    split_stages,
    stage_entry,
)


def record(name="A", **changes):
    fields = {
        "groups": (), "params": {"x": 1}, "entry": {"class": "m:A"}, "deps": (), "param_files": (),
        "reads_params": (), "reads_graph": (),
        "outs": (OutputSpec("out", Kind.OUTS, f"outs/{name}/out.json", cache=True),),
    }  # fmt: skip
    return NodeRecord(name, **{**fields, **changes})


def test_an_entry_holds_what_is_there_and_nothing_more():
    assert stage_entry(record(params={}), "params.yaml") == {
        "cmd": "zn-pipeline run A",
        "params": [{"graph.json": ["A"]}],
        "outs": ["outs/A/out.json"],
    }


def test_all_that_is_read_stands_in_the_params():
    made = record(reads_params=("B.y", "A"), reads_graph=("B",), param_files=("s.yaml",))
    assert stage_entry(made, "params.json")["params"] == [
        {"graph.json": ["A", "B"]}, {"params.json": ["A", "B.y"]}, {"s.yaml": None}
    ]  # fmt: skip


def test_plots_with_columns_are_drawn():
    options = [PlotOptions(), PlotOptions("x", ("y",)), PlotOptions("x", ("y", "z"), title="T")]
    outs = [
        OutputSpec(f"p{i}", Kind.PLOTS, f"f{i}", cache=True, plot=plot)
        for i, plot in enumerate(options)
    ]
    assert plot_entries(record(outs=tuple(outs))) == [
        {"A_p1": {"x": {"f1": "x"}, "y": {"f1": "y"}}},
        {"A_p2": {"x": {"f2": "x"}, "y": {"f2": ["y", "z"]}, "title": "T"}},
    ]


def test_graph_json_has_one_line_for_each_node():
    entries = {"A": {"class": "m:A"}, "B": {"wires": {"x": None}}}
    text = graph_text_of(entries)
    assert json.loads(text) == entries
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("file", ["params.yaml", "params.json"])
def test_params_of_others_are_kept(file):
    old = {"mine": [1], "A": {"x": 5}, "gone": {"x": 1}}
    text = params_text([record()], file, old, owned=["A", "gone"])
    assert yaml.safe_load(text) == {"mine": [1], "A": {"x": 1}}


OLD = """\
# head
stages:
  # mine
  raw:
    cmd: |
      echo a

      echo b
  A:
    cmd: zn-pipeline run A
    params:
    - graph.json:
      - A
    frozen: true
  "odd name":
    cmd: x
# before vars
vars:
- a: 1
plots:
- A_p:
    y:
      outs/A/p.csv: y
- theirs.csv
# tail
"""


def test_foreign_parts_are_kept_letter_by_letter():
    kept = ForeignParts(OLD)
    assert list(kept.stages) == ["raw", "odd name"]
    assert kept.frozen == {"A"}
    assert kept.plots == ["theirs.csv"]
    text = dvc_text([record()], "params.yaml", kept)
    assert "  # mine\n  raw:\n    cmd: |\n      echo a\n\n      echo b\n" in text
    assert "# before vars\nvars:\n- a: 1\n" in text
    content = yaml.safe_load(text)
    assert content["stages"]["A"]["frozen"] is True
    assert content["plots"] == ["theirs.csv"]
    assert dvc_text([record()], "params.yaml", ForeignParts(text)) == text


def test_a_clash_with_a_foreign_stage_is_refused():
    with pytest.raises(ValueError, match="received 'raw'; rename"):
        dvc_text([record("raw")], "params.yaml", ForeignParts(OLD))


@pytest.mark.parametrize(
    "text",
    [
        "stages:\n  a: {cmd: x}\n",
        "stages: {a: {cmd: x}}\n",
        "stages:\n    a:\n        cmd: x\n",
    ],
)
def test_other_styles_of_yaml_keep_their_meaning(text):
    kept = ForeignParts(text)
    assert yaml.safe_load(dvc_text([], "params.yaml", kept)) == yaml.safe_load(text)


def test_split_stages():
    assert split_stages("") == {}
    assert split_stages("stages:\n  a:\n    cmd: x\n  b:\n    cmd: y\n") == {
        "a": "  a:\n    cmd: x\n", "b": "  b:\n    cmd: y\n"
    }  # fmt: skip
    assert split_stages("stages: {}\n") is None
