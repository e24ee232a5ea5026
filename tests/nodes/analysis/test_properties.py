import ase
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.analysis.properties import compared_property, known_property


def with_results(frame, **results):
    frame = frame.copy()
    frame.calc = SinglePointCalculator(frame, **results)
    return frame


def sides(reference, predicted):
    return (reference, ""), (predicted, "")


def test_known_names():
    assert all(known_property(name) for name in ("energy", "virial", "info.gap", "arrays.charges"))
    assert not any(known_property(name) for name in ("enthalpy", "info.", "calc.energy", "info"))


def test_norms_and_virials_follow_from_forces_and_stress():
    copper = bulk("Cu", cubic=True)
    forces = np.arange(12.0).reshape(4, 3)
    stress = np.arange(6.0)
    frames = [with_results(copper, forces=forces, stress=stress)]
    norm = compared_property("forces_norm", *sides(frames, frames))
    np.testing.assert_allclose(norm.reference, [np.sqrt(sum(row**2)) for row in forces])
    virial = compared_property("virial", *sides(frames, frames))
    np.testing.assert_allclose(virial.reference, stress * copper.get_volume() / 4)
    assert (norm.unit, virial.unit) == ("eV/Angstrom", "eV/atom")


def test_values_with_a_prefix_come_from_info_and_arrays():
    frame = molecule("H2O")
    frame.info |= {"xtb_energy": 3.0, "ml_energy": 6.0, "xtb_gap": 1.0, "ml_gap": 2.0}
    frame.arrays |= {"xtb_forces": np.ones((3, 3)), "ml_forces": np.zeros((3, 3))}
    both = (([frame], "xtb_"), ([frame], "ml_"))
    energy = compared_property("energy", *both)
    assert (energy.reference.tolist(), energy.predicted.tolist()) == ([1.0], [2.0])
    assert compared_property("forces", *both).reference.tolist() == [1.0] * 9
    assert compared_property("arrays.forces", *both).predicted.tolist() == [0.0] * 9
    gap = compared_property("info.gap", *both)
    assert (gap.reference.tolist(), gap.predicted.tolist(), gap.unit) == ([1.0], [2.0], "")


def test_structures_without_the_property_are_left_out():
    frames = [with_results(molecule("H2O"), energy=3.0 * k) for k in range(4)]
    predicted = [*frames[:2], molecule("H2O"), frames[3]]
    found = compared_property("energy", *sides(frames, predicted))
    assert found.frame.tolist() == [0, 1, 3]
    assert found.reference.tolist() == [0.0, 1.0, 3.0]


def test_atomization_energies_are_those_of_the_isolated_atoms_minus_the_molecule():
    atoms = [with_results(ase.Atoms(symbol), energy=e) for symbol, e in (("H", -13.0), ("O", -400))]
    water = with_results(molecule("H2O"), energy=-435.0)
    model = [with_results(ase.Atoms(symbol), energy=e) for symbol, e in (("H", 1.0), ("O", 2.0))]
    model.append(with_results(molecule("H2O"), energy=-2.0))
    found = compared_property("atomization_energy", *sides([*atoms, water], model))
    assert found.frame.tolist() == [2]
    assert found.reference.tolist() == [pytest.approx((435.0 - 426.0) / 3)]
    assert found.predicted.tolist() == [pytest.approx((4.0 + 2.0) / 3)]
    with pytest.raises(ValueError, match="isolated atom of each element, received none of O"):
        compared_property("atomization_energy", *sides([atoms[0], water], [model[0], model[2]]))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"must share 'energy' in at least one .* received none"):
        compared_property("energy", *sides([molecule("H2O")], [molecule("H2O")]))
    one, other = molecule("H2O"), molecule("H2O")
    one.info["x"], other.info["x"] = [1.0, 2.0], 1.0
    with pytest.raises(ValueError, match=r"info.x must have one shape .* \(2,\) and \(1,\)"):
        compared_property("info.x", *sides([one], [other]))
