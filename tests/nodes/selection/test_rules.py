from dataclasses import dataclass

import pytest
from ase import Atoms

import nodes
import zn_pipeline as zn
from nodes.selection.rules import Predicate, SelectByFunction, SelectByIndex


def numbered(n):
    return [Atoms("H", positions=[[i, 0, 0]]) for i in range(n)]


def rows_of(frames):
    return [round(frame.positions[0, 0]) for frame in frames]


def is_far(frame, distance=2.0):
    return frame.positions[0, 0] > distance


def says_nothing(frame):
    return None


@dataclass(frozen=True)
class Even:
    """A rule that is a class."""

    def __call__(self, frame):
        return round(frame.positions[0, 0]) % 2 == 0


def selected(node):
    node.run()
    return node


def test_a_function_is_found_by_its_path_and_gets_its_arguments():
    rule = Predicate(f"{__name__}:is_far", {"distance": 4})
    node = selected(SelectByFunction(candidates=numbered(7), predicate=rule))
    assert node.rows.tolist() == [5, 6]
    assert rows_of(node.frames) == [5, 6]
    assert rows_of(node.excluded_frames) == [0, 1, 2, 3, 4]


def test_a_rule_may_be_a_class_and_may_keep_nothing():
    assert selected(SelectByFunction(candidates=numbered(5), predicate=Even())).rows.tolist() == [
        0,
        2,
        4,
    ]
    rule = Predicate(f"{__name__}:is_far", {"distance": 100})
    none = selected(SelectByFunction(candidates=numbered(5), predicate=rule))
    assert rows_of(none.frames) == []
    assert rows_of(none.excluded_frames) == [0, 1, 2, 3, 4]


def test_an_unusable_rule_is_refused():
    def run(target):
        selected(SelectByFunction(candidates=numbered(2), predicate=Predicate(target)))

    with pytest.raises(ValueError, match="target must be \"module:name\", received 'is_far'"):
        run("is_far")
    with pytest.raises(ValueError, match=r"must name an importable function.*no_such_module"):
        run("no_such_module:f")
    with pytest.raises(ValueError, match="must return True or False, received None for structure"):
        run(f"{__name__}:says_nothing")


RULE = "def keep(frame):\n    return frame.positions[0, 0] {} 2\n"


def test_a_change_of_the_rule_makes_its_node_stale(tmp_project, monkeypatch):
    monkeypatch.syspath_prepend(tmp_project.path)

    def status(text):
        tmp_project.write("rule_of_mine.py", text)
        with zn.Project() as project:
            bulk = nodes.BuildBulk(formula="Cu")
            nodes.SelectByFunction(
                candidates=bulk.frames, predicate=nodes.Predicate("rule_of_mine:keep")
            )
        project.build()
        return (tmp_project.path / "graph.json").read_text()

    first = status(RULE.format(">"))
    assert status(RULE.format(">") + "# a comment\n") == first
    assert status(RULE.format("<")) != first


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ([3, 0, 3, -1], [3, 0, 3, 9]),
        ([], []),
        ("::4", [0, 4, 8]),
        ("-3:", [7, 8, 9]),
        (":", list(range(10))),
    ],
)
def test_structures_are_chosen_by_number_in_the_order_given(index, rows):
    node = selected(SelectByIndex(candidates=numbered(10), index=index))
    assert node.rows.tolist() == rows
    assert rows_of(node.frames) == rows
    assert rows_of(node.excluded_frames) == sorted(set(range(10)) - set(rows))


def test_an_unusable_index_is_refused():
    with pytest.raises(ValueError, match=r"index must be in \[-3, 2\].* received \[3, -4\]"):
        selected(SelectByIndex(candidates=numbered(3), index=[0, 3, -4]))
    with pytest.raises(ValueError, match="index must be a list of numbers or a slice"):
        selected(SelectByIndex(candidates=numbered(3), index="2"))
    with pytest.raises(ValueError, match=r"index must be in \[0, -1\] for 0 candidates"):
        selected(SelectByIndex(candidates=[], index=[0]))


def test_the_nodes_keep_the_contract():
    rule = Predicate(f"{__name__}:is_far")
    zn.testing.check_node(SelectByFunction, candidates=numbered(5), predicate=rule)
    zn.testing.check_node(SelectByIndex, candidates=numbered(5), index="::2")
