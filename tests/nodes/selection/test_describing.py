from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

import nodes
import zn_pipeline as zn
from nodes.selection.describing import DescribeFrames
from nodes.selection.features import DistanceHistogram, GaussianMoments

FRAMES = [molecule(name) for name in ("H2O", "CH3CH2OH", "CH4")]
SPEC = GaussianMoments(elements=("H", "C", "O"), n_radial=2, max_rank=1)


class WholeSet:
    """Not settings but something trained: describes all structures in one call."""

    calls = 0

    def features(self, frames):
        self.calls += 1
        return np.array([[len(frame)] for frame in frames], dtype=float)


@dataclass(frozen=True)
class Broken:
    def features(self, frames):
        return np.full((len(frames), 2), np.nan)


@dataclass(frozen=True)
class Noting:
    """Writes a line for each structure that it describes."""

    reads = ()

    file: str

    def features(self, frames):
        with Path(self.file).open("a") as notes:
            notes.writelines(f"{len(frame)}\n" for frame in frames)
        return np.array([[len(frame), frame.positions.sum()] for frame in frames])


def described(**fields):
    node = DescribeFrames(**fields)
    node.run()
    return node


@pytest.mark.parametrize("spec", [SPEC, DistanceHistogram(n_bins=5)])
def test_one_row_per_structure(spec):
    node = described(structures=FRAMES, descriptor=spec)
    np.testing.assert_array_equal(node.features, spec.features(FRAMES))
    assert node.rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("spec", [SPEC, DistanceHistogram(n_bins=5)])
def test_one_row_per_atom(spec):
    node = described(structures=FRAMES, descriptor=spec, per_atom=True)
    np.testing.assert_array_equal(node.features, np.concatenate(spec.atom_features(FRAMES)))
    assert node.rows.tolist() == [0] * 3 + [1] * 9 + [2] * 5


def test_a_trained_model_describes_all_structures_at_once():
    model = WholeSet()
    node = described(structures=FRAMES, descriptor=model)
    assert node.features.tolist() == [[3.0], [9.0], [5.0]]
    assert model.calls == 1


def test_every_structure_is_described_once_whoever_asks(tmp_project):
    notes = tmp_project.path / "notes.txt"
    spec = Noting(str(notes))
    described(structures=FRAMES, descriptor=spec)
    assert len(notes.read_text().splitlines()) == 3
    more = [*FRAMES[::-1], FRAMES[0].copy(), molecule("NH3")]
    more[0].info["note"] = "a descriptor that reads nothing of this is not asked again"
    again = described(structures=more, descriptor=spec)
    assert notes.read_text().splitlines() == ["3", "9", "5", "4"]
    np.testing.assert_array_equal(
        again.features, [Noting("/dev/null").features([f])[0] for f in more]
    )
    nodes.SelectFarthestPoints(candidates=more[:3], n_select=2, model=spec).run()
    nodes.SelectCUR(candidates=more, n_select=2, model=spec).run()
    assert len(notes.read_text().splitlines()) == 4


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="at least one structure to describe, received none"):
        described(structures=[], descriptor=SPEC)
    with pytest.raises(ValueError, match=r"must have a method atom_features .* per_atom=False"):
        described(structures=FRAMES, descriptor=WholeSet(), per_atom=True)
    with pytest.raises(ValueError, match="must have a method features"):
        described(structures=FRAMES, descriptor=object())
    with pytest.raises(ValueError, match="features must be finite, received NaN"):
        described(structures=FRAMES, descriptor=Broken())


def test_the_node_keeps_the_contract():
    zn.testing.check_node(DescribeFrames, structures=FRAMES, descriptor=SPEC, per_atom=True)


def test_describing_and_selecting_nodes_run_in_one_project(tmp_project):
    with zn.Project() as project:
        bulk = nodes.BuildBulk(formula="Cu", repeat=(2, 1, 1))
        rattled = nodes.RattleStructures(structures=bulk.frames, n_per_frame=20)
        labelled = nodes.LabelFrames(structures=rattled.frames, calculator=nodes.Emt())
        spec = nodes.GaussianMoments(elements=("Cu",), cutoff_angstrom=4.0, n_radial=2)
        described = nodes.DescribeFrames(structures=labelled.frames, descriptor=spec)
        cur = nodes.SelectCUR(
            candidates=labelled.frames, n_select=4, model=spec, exclude=labelled.frames[:2]
        )
        flat = nodes.SelectFlatHistogram(candidates=cur.excluded_frames, n_select=6)
        hull = nodes.SelectConvexHull(candidates=flat.frames, n_select=2)
        first = nodes.SelectByIndex(candidates=hull.frames, index=[0])
        table = nodes.ErrorTable(reference=flat.frames, predicted=flat.frames)
    project.repro(executor=zn.SequentialExecutor())
    assert described.features.shape[0] == 20
    assert not {0, 1} & set(cur.rows.tolist())
    assert [len(node.frames) for node in (cur, flat, hull, first)] == [4, 6, 2, 1]
    assert table.metrics["all"]["forces"]["rmse"] == 0.0
