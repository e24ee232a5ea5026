import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.numerics.histogram import flat_histogram
from nodes.selection.distribution import SelectConvexHull, SelectFlatHistogram


def labelled(frame, energy_per_atom, **info):
    frame = frame.copy()
    frame.info |= info
    frame.calc = SinglePointCalculator(frame, energy=energy_per_atom * len(frame))
    return frame


def crystals(energies):
    return [
        labelled(bulk("Cu", a=3.4 + 0.05 * k).repeat((1 + k % 3, 1, 1)), energy, count=k)
        for k, energy in enumerate(energies)
    ]


def selected(node):
    node.run()
    return node


@pytest.mark.parametrize("value", ["energy", "volume", "info.count"])
def test_the_histogram_is_that_of_the_value_per_atom(value):
    energies = np.random.default_rng(0).normal(size=40)
    frames = crystals(energies)
    values = {
        "energy": energies,
        "volume": [(3.4 + 0.05 * k) ** 3 / 4 for k in range(40)],
        "info.count": np.arange(40.0),
    }[value]
    node = selected(
        SelectFlatHistogram(candidates=frames, n_select=8, value=value, n_bins=4, kt=2.0, seed=3)
    )
    assert node.rows.tolist() == flat_histogram(values, 8, n_bins=4, kt=2.0, seed=3).tolist()
    assert len(node.frames) == 8
    assert len(node.excluded_frames) == 32


def test_with_replacement_frames_repeat():
    frames = crystals([0.0, 1.0])
    node = selected(SelectFlatHistogram(candidates=frames, n_select=6, n_bins=2, replace=True))
    assert node.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(node.frames) == 6
    assert len(node.excluded_frames) == 0


def test_a_structure_without_the_value_is_named():
    frames = [*crystals([0.0]), bulk("Cu"), Atoms("Cu")]
    with pytest.raises(ValueError, match="structure 1 must have one number named 'energy'"):
        selected(SelectFlatHistogram(candidates=frames, n_select=1))
    with pytest.raises(ValueError, match=r"structure 2 .*not periodic in three directions"):
        selected(SelectFlatHistogram(candidates=frames, n_select=1, value="volume"))
    with pytest.raises(ValueError, match=r'the value must be "energy", "volume", "info.NAME" or'):
        selected(SelectFlatHistogram(candidates=frames, n_select=1, value="enthalpy"))


def alloys():
    """Gold and copper: one mixture below the line between the elements, one above it."""
    made = [labelled(bulk("Cu"), 0.0), labelled(bulk("Au"), 0.0)]
    mixed = bulk("Cu", cubic=True)
    mixed.symbols[:2] = "Au"
    made += [labelled(mixed, -0.1), labelled(mixed, 0.3)]
    mixed.symbols[:3] = "Au"
    return [*made, labelled(mixed, -0.04)]


def test_distances_are_those_to_the_best_mixture():
    node = selected(SelectConvexHull(candidates=alloys(), with_volume=False))
    np.testing.assert_allclose(node.distances, [0, 0, 0, 0.4, 0.01], atol=1e-12)
    assert node.rows.tolist() == [0, 1, 2]
    assert len(node.excluded_frames) == 2


def test_structures_near_the_hull_and_a_given_number_of_them():
    near = SelectConvexHull(candidates=alloys(), with_volume=False, max_distance_ev_per_atom=0.1)
    assert selected(near).rows.tolist() == [0, 1, 2, 4]
    four = SelectConvexHull(candidates=alloys(), with_volume=False, n_select=5)
    assert selected(four).rows.tolist() == [0, 1, 2, 4, 3]
    with pytest.raises(ValueError, match=r"n_select must be in \[1, 5\]"):
        selected(SelectConvexHull(candidates=alloys(), with_volume=False, n_select=6))


def test_over_the_volume_the_hull_is_convex():
    x = np.linspace(-1.0, 1.0, 9)
    energies = x**2
    energies[4] = 0.5
    node = selected(SelectConvexHull(candidates=crystals(energies)))
    assert sorted(node.rows.tolist()) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert node.distances[4] > 0.4


def test_unusable_structures_and_settings_are_refused():
    molecule = labelled(Atoms("Cu"), 0.0)
    with pytest.raises(ValueError, match="structure 0 must have one number named 'volume'"):
        selected(SelectConvexHull(candidates=[molecule]))
    with pytest.raises(ValueError, match="structure 0 must have one number named 'energy'"):
        selected(SelectConvexHull(candidates=[bulk("Cu")]))
    with pytest.raises(ValueError, match="max_distance_ev_per_atom must not be negative"):
        selected(SelectConvexHull(candidates=alloys(), max_distance_ev_per_atom=-1.0))


def test_the_nodes_keep_the_contract():
    frames = crystals(np.random.default_rng(0).normal(size=12))
    zn.testing.check_node(SelectFlatHistogram, candidates=frames, n_select=5)
    zn.testing.check_node(SelectConvexHull, candidates=frames)


@pytest.mark.parametrize("node_class", [SelectFlatHistogram, SelectConvexHull])
def test_known_structures_are_left_out(node_class):
    frames = crystals([0.0, 1.0, 2.0, 3.0])
    node = selected(node_class(candidates=frames, n_select=2, exclude=[frames[0], frames[2]]))
    assert sorted(node.rows.tolist()) == [1, 3]
