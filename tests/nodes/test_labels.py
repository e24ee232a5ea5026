import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.labels import attach_results


def crystal(n_atoms):
    return ase.build.bulk("Cu").repeat((n_atoms, 1, 1))


def results(n_atoms):
    return {
        "energy": -1.5,
        "forces": np.full((n_atoms, 3), 0.2),
        "energy_std": np.float64(0.5),
        "forces_std": np.full((n_atoms, 3), 0.1),
        "members": np.array([1.0, 2.0]),
    }


def test_results_unknown_to_ase_go_to_info_and_arrays():
    atoms = crystal(4)
    attach_results(atoms, results(4))
    assert set(atoms.calc.results) == {"energy", "forces"}
    assert atoms.get_potential_energy() == -1.5
    assert atoms.info["energy_std"] == 0.5
    assert isinstance(atoms.info["energy_std"], float)
    np.testing.assert_array_equal(atoms.info["members"], [1.0, 2.0])
    assert atoms.arrays["forces_std"].shape == (4, 3)


def test_results_are_attached_as_the_framework_does_it():
    """A structure labelled by a node or by a map looks the same."""

    class Canned:
        implemented_properties = tuple(results(3))

        def calculate(self, atoms, properties, system_changes):
            self.results = results(len(atoms))

    ours = crystal(3)
    attach_results(ours, results(3))
    theirs = zn.Evaluate(Canned(), Canned.implemented_properties)(crystal(3))
    assert ours.calc.results.keys() == theirs.calc.results.keys()
    assert ours.info.keys() == theirs.info.keys()
    assert ours.arrays.keys() == theirs.arrays.keys()


def test_a_result_that_is_not_finite_is_never_attached_by_a_map():
    class Broken:
        implemented_properties = ("energy",)

        def calculate(self, atoms, properties, system_changes):
            self.results = {"energy": float("nan")}

    with pytest.raises(ValueError, match="energy must be finite, received NaN"):
        zn.Evaluate(Broken(), ("energy",))(crystal(1))
