import ase.build
import numpy as np
import pytest
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT

import zn_pipeline as zn
from nodes.analysis.evaluation import EvaluatePotential
from nodes.reference.calculators import AseCalculator, Emt
from nodes.reference.labelling import LabelFrames


class ShiftedEmt(EMT):
    """EMT with 10 meV per atom and 20 meV/Angstrom added to every value."""

    implemented_properties = (*EMT.implemented_properties, "energy_std")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] += 0.010 * len(atoms)
        self.results["forces"] = self.results["forces"] + 0.020
        self.results["energy_std"] = 0.5


def reference(*properties):
    frames = [ase.build.bulk("Cu").repeat((n, 1, 1)) for n in (1, 2, 3, 2)]
    for seed, frame in enumerate(frames):
        frame.rattle(0.1, seed=seed)
    node = LabelFrames(structures=frames, calculator=Emt(), properties=list(properties))
    node.run()
    return node.frames


def evaluated(structures, model):
    node = EvaluatePotential(structures=structures, model=model, n_resamples=50)
    node.run()
    return node


def test_a_constant_error_is_found_with_its_unit():
    node = evaluated(reference("energy", "forces"), AseCalculator(f"{__name__}:ShiftedEmt"))
    assert node.errors["property"].tolist() == ["energy", "forces"]
    assert node.errors["unit"].tolist() == ["meV/atom", "meV/Angstrom"]
    for column in ("mae", "rmse", "mae_low", "mae_high", "rmse_low", "rmse_high", "max_error"):
        np.testing.assert_allclose(node.errors[column], [10.0, 20.0], rtol=1e-9)
    assert node.errors["n_values"].tolist() == [4, 24]
    assert node.errors["n_frames"].tolist() == [4, 4]
    assert node.metrics["forces"]["rmse"] == node.errors["rmse"][1]
    assert node.metrics["energy"]["unit"] == "meV/atom"


def test_predictions_keep_the_order_and_carry_the_uncertainty():
    structures = reference("energy", "forces")
    node = evaluated(structures, AseCalculator(f"{__name__}:ShiftedEmt"))
    assert [len(frame) for frame in node.frames] == [1, 2, 3, 2]
    for frame, structure in zip(node.frames, structures, strict=True):
        shift = frame.get_potential_energy() - structure.get_potential_energy()
        assert shift == pytest.approx(0.010 * len(frame))
        assert frame.info["energy_std"] == 0.5
        assert "energy_std" not in structure.info


def test_stress_is_evaluated_where_it_is_labelled():
    node = evaluated(reference("energy", "forces", "stress"), Emt())
    assert node.errors["property"].tolist() == ["energy", "forces", "stress"]
    assert node.errors["unit"].tolist()[-1] == "meV/Angstrom^3"
    assert node.errors["rmse"].max() < 1e-6


def test_structures_without_labels_are_refused():
    with pytest.raises(ValueError, match="label the structures first"):
        evaluated([ase.build.bulk("Cu")], Emt())


def test_the_node_keeps_the_contract():
    structures = reference("energy", "forces")
    zn.testing.check_node(EvaluatePotential, structures=structures, model=Emt(), n_resamples=20)
