import pytest

from zn_pipeline.errors import CycleError, NodeNotFoundError
from zn_pipeline.execute.stages import Stage, StageGraph, read_stages


def stage(name, deps=(), outs=(), **options):
    entry = {"cmd": "x", "deps": list(deps), "outs": list(outs), **options}
    return Stage.from_entry(name, entry)


def graph(**stages):
    return StageGraph({name: stage(name, *ends) for name, ends in stages.items()})


def test_an_entry_of_dvc_yaml():
    made = Stage.from_entry(
        "A",
        {
            "cmd": ["one", "two"],
            "deps": ["d"],
            "params": ["A", "B.x", {"graph.json": ["A"]}, {"s.yaml": None}],
            "outs": ["o", {"p": {"cache": False}}],
            "metrics": [{"m": None}],
            "plots": ["q"],
            "frozen": True,
        },
    )
    assert made.cmd == "one\ntwo"
    assert made.params == {"params.yaml": ("A", "B.x"), "graph.json": ("A",), "s.yaml": None}
    assert made.outs == {"o": True, "p": False, "m": True, "q": True}
    assert made.frozen
    assert not made.always_changed
    assert made.ours
    assert not stage("A").ours


def test_order_follows_files_and_folders():
    made = graph(
        c=(["dir/sub/file"], ["c"]),
        a=([], ["dir/sub"]),
        b=(["other"], ["b"]),
        d=([], ["other/1", "other/2/x"]),
        e=(["b", "c"], []),
    )
    assert made.upstream == {"c": {"a"}, "a": set(), "b": {"d"}, "d": set(), "e": {"b", "c"}}
    order = made.order()
    assert order.index("a") < order.index("c") < order.index("e")
    assert order.index("d") < order.index("b") < order.index("e")


def test_targets_come_with_what_they_need():
    made = graph(a=([], ["a"]), b=(["a"], ["b"]), c=(["a"], ["c"]))
    assert made.select(["b"]) == {"a", "b"}
    assert made.select([]) == {"a", "b", "c"}
    with pytest.raises(NodeNotFoundError, match=r"a node or stage of .* received 'x'"):
        made.select(["x"])


def test_a_cycle_is_printed():
    made = graph(a=(["c"], ["a"]), b=(["a"], ["b"]), c=(["b"], ["c"]), d=([], []))
    with pytest.raises(CycleError, match=r"received the cycle \w -> \w -> \w -> \w$") as error:
        made.order()
    assert "a -> b -> c -> a -> b".find(str(error.value)[-11:]) >= 0


def test_read_stages(tmp_path):
    assert read_stages(tmp_path) == {}
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  a:\n    cmd: x\n  each:\n    foreach: [1]\n    do:\n      cmd: y\n"
    )
    assert list(read_stages(tmp_path)) == ["a"]
