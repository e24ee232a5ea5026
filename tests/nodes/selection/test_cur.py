import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

import zn_pipeline as zn
from nodes.numerics.selection import leverage_scores
from nodes.selection.cur import SelectCUR
from nodes.selection.features import GaussianMoments, StoredFeatures

STORED = StoredFeatures("x")


def structures(n=30, *, n_atoms=2, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        size = 1 + k % n_atoms
        frame = Atoms("H" * size, positions=np.arange(3 * size).reshape(size, 3))
        frame.arrays["x"] = rng.normal(size=(size, 4))
        made.append(frame)
    return made


def rows_of_features(frames):
    return np.array([frame.arrays["x"].mean(axis=0) for frame in frames])


def selected(**fields):
    node = SelectCUR(model=STORED, **fields)
    node.run()
    return node


def test_the_highest_scores_come_first():
    frames = structures()
    node = selected(candidates=frames, n_select=3)
    expected = leverage_scores(rows_of_features(frames), 3)
    np.testing.assert_allclose(node.scores, expected, atol=1e-12)
    assert node.rows.tolist() == np.argsort(-expected)[:3].tolist()
    for frame, row in zip(node.frames, node.rows, strict=True):
        np.testing.assert_array_equal(frame.positions, frames[row].positions)
    assert len(node.excluded_frames) == 27


@pytest.mark.parametrize(("name", "join"), [("sum", np.sum), ("max", np.max)])
def test_scores_of_atoms_are_joined(name, join):
    frames = structures(n_atoms=4)
    node = selected(candidates=frames, n_select=2, per_atom=True, atom_score=name)
    scores = leverage_scores(np.concatenate([frame.arrays["x"] for frame in frames]), 2)
    sizes = np.cumsum([len(frame) for frame in frames])[:-1]
    expected = [join(part) for part in np.split(scores, sizes)]
    np.testing.assert_allclose(node.scores, expected, atol=1e-12)


def test_one_unusual_atom_in_a_large_structure_is_found():
    frames = structures(20, n_atoms=6)
    for frame in frames:
        frame.arrays["x"] *= 0.01
    frames[11].arrays["x"][0] += 5.0
    node = selected(candidates=frames, n_select=1, per_atom=True, atom_score="max")
    assert node.rows.tolist() == [11]


def test_excluded_structures_have_no_score_and_no_say():
    frames = structures()
    node = selected(candidates=frames, n_select=3, exclude=[frames[4], frames[9]])
    left = [k for k in range(30) if k not in (4, 9)]
    assert node.scores[[4, 9]].tolist() == [0.0, 0.0]
    expected = leverage_scores(rows_of_features(frames)[left], 3)
    np.testing.assert_allclose(node.scores[left], expected, atol=1e-12)
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 28\].* received 29"):
        selected(candidates=frames, n_select=29, exclude=[frames[4], frames[9]])


@pytest.mark.parametrize("per_atom", [False, True])
def test_drawing_follows_the_seed_and_the_scores(per_atom):
    frames = structures()
    frames[7].arrays["x"] += 30.0
    options = {"candidates": frames, "n_select": 5, "rank": 1, "per_atom": per_atom}
    first, again, other = (
        selected(**options, stochastic=True, seed=seed).rows.tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert len(set(first)) == 5
    assert 7 in first
    assert 7 in other


def test_rank_kernel_and_centring_are_handed_on():
    frames = structures()
    node = selected(candidates=frames, n_select=3, rank=2, kernel_exponent=2.0, centre=False)
    expected = leverage_scores(rows_of_features(frames), 2, kernel_exponent=2.0, centre=False)
    np.testing.assert_allclose(node.scores, expected, atol=1e-12)


def test_an_unknown_way_to_join_is_refused():
    with pytest.raises(ValueError, match='atom_score must be "sum" or "max", received'):
        selected(candidates=structures(), n_select=3, atom_score="mean")


def test_the_node_keeps_the_contract():
    frames = [molecule(name) for name in ("H2O", "CH4", "CH3OH", "H2CO", "CO2")]
    spec = GaussianMoments(elements=("H", "C", "O"), n_radial=2)
    zn.testing.check_node(SelectCUR, candidates=frames, n_select=3, model=spec, per_atom=True)
