import ase.build
import numpy as np
import pytest
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

from nodes.labels import Labeller, LabellingError, raise_first_failure
from nodes.reference.calculators import AseCalculator, Emt


class Uncertain(EMT):
    """EMT with results that ASE has no name for."""

    implemented_properties = (*EMT.implemented_properties, "energy_std", "forces_std")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy_std"] = 0.5
        self.results["forces_std"] = np.full((len(atoms), 3), 0.1)


def crystal(n_atoms):
    return ase.build.bulk("Cu").repeat((n_atoms, 1, 1))


def test_results_unknown_to_ase_go_to_info_and_arrays():
    spec = AseCalculator(f"{__name__}:Uncertain")
    labelled = Labeller(spec, ("energy", "energy_std", "forces_std"))(crystal(4))
    assert set(labelled.calc.results) == {"energy"}
    assert labelled.info["energy_std"] == 0.5
    assert labelled.arrays["forces_std"].shape == (4, 3)


def test_the_calculator_is_made_once_and_only_when_needed(tmp_path):
    made = []

    class Counting:
        def get_calculator(self, directory=None):
            made.append(directory)
            return EMT()

    labeller = Labeller(Counting(), ("energy",), tmp_path)
    assert made == []
    labeller.check()
    labeller(crystal(1))
    labeller(crystal(2))
    assert made == [tmp_path]


def test_a_failure_comes_back_as_its_reason():
    unknown = crystal(1)
    unknown.numbers[:] = 92
    assert "U" in Labeller(Emt(), ("energy",))(unknown)


def test_the_first_failure_is_raised_with_its_row():
    structures = [crystal(1), crystal(2), crystal(3)]
    raise_first_failure(structures, structures)
    with pytest.raises(LabellingError, match=r"structure 1 of 3 \(Cu2\) must be labelled, .* bad"):
        raise_first_failure(structures, [structures[0], "bad", "worse"])


def test_unknown_properties_are_refused():
    with pytest.raises(
        ValueError, match=r"properties must be among energy.* received \['dipole'\]"
    ):
        Labeller(Emt(), ("dipole",)).check()
    with pytest.raises(ValueError, match=r"received \[\]"):
        Labeller(Emt(), ()).check()
