import ase.build
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.analysis.comparison import compared_values


def labelled(n_repeat, seed, *, energy, stress=False):
    frame = ase.build.bulk("Cu").repeat((n_repeat, 1, 1))
    rng = np.random.default_rng(seed)
    results = {"energy": energy, "forces": rng.normal(size=(n_repeat, 3))}
    if stress:
        results["stress"] = rng.normal(size=6)
    frame.calc = SinglePointCalculator(frame, **results)
    return frame


def test_energies_are_per_atom_and_forces_by_component():
    reference = [labelled(2, 0, energy=4.0), labelled(5, 1, energy=10.0)]
    predicted = [labelled(2, 2, energy=5.0), labelled(5, 3, energy=5.0)]
    energy, forces = compared_values(reference, predicted)
    assert (energy.name, energy.unit) == ("energy", "eV/atom")
    assert energy.reference.tolist() == [2.0, 2.0]
    assert energy.predicted.tolist() == [2.5, 1.0]
    assert energy.frame.tolist() == [0, 1]
    assert forces.frame.tolist() == [0] * 6 + [1] * 15
    np.testing.assert_array_equal(forces.reference[6:], reference[1].get_forces().ravel())
    np.testing.assert_array_equal(forces.predicted[6:], predicted[1].get_forces().ravel())


def test_stress_is_compared_only_where_every_structure_has_it():
    with_stress = [labelled(1, k, energy=0.0, stress=True) for k in range(2)]
    mixed = [with_stress[0], labelled(1, 0, energy=0.0)]
    assert [one.name for one in compared_values(with_stress, with_stress)][-1] == "stress"
    assert [one.name for one in compared_values(with_stress, mixed)] == ["energy", "forces"]


def test_structures_in_another_order_are_refused():
    frames = [labelled(1, 0, energy=0.0), labelled(2, 0, energy=0.0)]
    with pytest.raises(ValueError, match="received different structures in row 0"):
        compared_values(frames, frames[::-1])
    moved = frames[1].copy()
    moved.positions[0, 0] += 0.1
    moved.calc = SinglePointCalculator(moved, energy=0.0)
    with pytest.raises(ValueError, match="received different structures in row 1"):
        compared_values(frames, [frames[0], moved])


def test_lists_that_do_not_fit_are_refused():
    frame = labelled(1, 0, energy=0.0)
    with pytest.raises(ValueError, match="received 1 and 2 structures"):
        compared_values([frame], [frame, frame])
    with pytest.raises(ValueError, match="received 0 and 0 structures"):
        compared_values([], [])
    with pytest.raises(ValueError, match="must share one of energy, forces, stress"):
        compared_values([frame], [frame.copy()])
