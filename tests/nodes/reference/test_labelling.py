from dataclasses import dataclass
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

import zn_pipeline as zn
from nodes.reference.calculators import AseCalculator, Emt, Xtb
from nodes.reference.labelling import LabelFrames
from nodes.reference.orca import Orca


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """Let no result of an earlier run be found."""
    monkeypatch.chdir(tmp_path)


class FussyEmt(EMT):
    """EMT that fails for one number of atoms and gives NaN forces for another."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if len(atoms) == 2:
            raise RuntimeError("the cycle did not converge")
        super().calculate(atoms, properties, system_changes)
        if len(atoms) == 3:
            self.results["forces"][0, 0] = np.nan


class Remembering(Calculator):
    """Energy is the number of calculations since the last reset."""

    implemented_properties = ("energy",)
    count = 0

    def reset(self):
        super().reset()
        self.count = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.count += 1
        self.results = {"energy": float(self.count)}


@dataclass(frozen=True)
class OrcaOrEmt:
    """ORCA for molecules, EMT for crystals."""

    command: str
    folder: str

    def get_calculator(self, directory=None):
        orca = Orca("PBE", command=self.command).get_calculator(Path(self.folder) / "runs")
        emt = EMT()

        class Either(EMT):
            def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
                chosen = emt if atoms.pbc.any() else orca
                chosen.calculate(atoms, properties, system_changes)
                self.results = chosen.results

        return Either()


def crystals(*sizes):
    frames = [ase.build.bulk("Cu").repeat((n, 1, 1)) for n in sizes]
    for seed, frame in enumerate(frames):
        frame.rattle(0.1, seed=seed)
    return frames


def fussy():
    return AseCalculator(f"{__name__}:FussyEmt")


def labelled(**fields):
    node = LabelFrames(**fields)
    node.run()
    return node


def test_labels_are_those_of_ase_in_the_order_of_the_structures():
    structures = crystals(5, 1, 4)
    node = labelled(
        structures=structures, calculator=Emt(), properties=["energy", "forces", "stress"]
    )
    assert node.rows.tolist() == [0, 1, 2]
    for frame, structure in zip(node.frames, structures, strict=True):
        assert frame == structure
        reference = structure.copy()
        reference.calc = EMT()
        assert frame.get_potential_energy() == pytest.approx(reference.get_potential_energy())
        np.testing.assert_allclose(frame.get_forces(), reference.get_forces(), atol=1e-10)
        np.testing.assert_allclose(frame.get_stress(), reference.get_stress(), atol=1e-10)
    assert node.metrics == {"n_labelled": 3, "n_failed": 0}


def test_input_structures_are_not_modified():
    (structure,) = crystals(3)
    before = structure.copy()
    labelled(structures=[structure], calculator=Emt())
    assert structure == before
    assert structure.calc is None


def test_only_the_asked_properties_are_kept():
    node = labelled(structures=crystals(1), calculator=Emt(), properties=["energy"])
    assert set(node.frames[0].calc.results) == {"energy"}


def test_a_failure_names_the_structure_and_the_reason():
    with pytest.raises(zn.MapFailedError, match=r"item 1 .*the cycle did not converge"):
        labelled(structures=crystals(1, 2, 4), calculator=fussy())


def test_nan_forces_are_a_failure():
    with pytest.raises(zn.MapFailedError, match="forces must be finite, received NaN"):
        labelled(structures=crystals(3), calculator=fussy())


def test_recorded_failures_are_left_out_and_rows_keep_the_pairing():
    structures = crystals(4, 2, 5, 3, 1)
    node = labelled(structures=structures, calculator=fussy(), on_error="record")
    assert node.rows.tolist() == [0, 2, 4]
    assert [len(frame) for frame in node.frames] == [4, 5, 1]
    assert [failure["row"] for failure in node.failures] == [1, 3]
    assert node.metrics == {"n_labelled": 3, "n_failed": 2}
    first = node.failures[0]
    assert first["kind"] == "calculation"
    assert first["type"] == "RuntimeError"
    assert "did not converge" in first["message"]
    assert first["attempts"] == 1
    assert first["kept_files"] == []
    assert set(first) == {"row", "kind", "type", "message", "attempts", "host", "kept_files"}


def test_so_many_failures_as_allowed_are_recorded():
    structures = crystals(4, 2, 5)
    node = labelled(structures=structures, calculator=fussy(), max_failures=1)
    assert node.rows.tolist() == [0, 2]
    assert len(node.failures) == 1
    with pytest.raises(zn.MapFailedError):
        labelled(structures=crystals(4, 2, 5, 2), calculator=fussy(), max_failures=1)


def test_files_of_a_failure_are_named(tmp_path):
    program = tmp_path / "orca"
    program.write_text("#!/bin/sh\necho SCF NOT CONVERGED AFTER 9 CYCLES\n")
    program.chmod(0o755)
    good = ase.build.bulk("Cu")
    node = labelled(
        structures=[ase.build.molecule("H2O"), good],
        calculator=OrcaOrEmt(str(program), str(tmp_path)),
        on_error="record",
    )
    (failure,) = node.failures
    assert failure["type"] == "NotConvergedError"
    assert sorted(Path(path).name for path in failure["kept_files"]) == ["orca.inp", "orca.out"]
    assert all(Path(path).is_file() for path in failure["kept_files"])


def test_nothing_labelled_is_an_error_even_when_failures_are_recorded():
    with pytest.raises(zn.MapFailedError, match="did not converge"):
        labelled(structures=crystals(2, 2), calculator=fussy(), on_error="record")


def test_a_label_does_not_depend_on_the_structure_before():
    node = labelled(
        structures=crystals(1, 2, 3),
        calculator=AseCalculator(f"{__name__}:Remembering"),
        properties=["energy"],
    )
    assert [frame.get_potential_energy() for frame in node.frames] == [1.0, 1.0, 1.0]


def test_xtb_labels_are_the_same_alone_and_after_another_molecule():
    water = ase.build.molecule("H2O")
    stretched = water.copy()
    stretched.positions[1] *= 1.1
    together = labelled(structures=[water, stretched], calculator=Xtb()).frames[1]
    alone = labelled(structures=[stretched], calculator=Xtb()).frames[0]
    assert together.get_potential_energy() == alone.get_potential_energy()


def test_unusable_input_is_refused():
    with pytest.raises(
        ValueError, match=r"properties must be among energy.* received \['dipole'\]"
    ):
        labelled(structures=crystals(1), calculator=Emt(), properties=["dipole"])
    with pytest.raises(ValueError, match='on_error must be "raise" or "record", received \'skip\''):
        labelled(structures=crystals(1), calculator=Emt(), on_error="skip")


def test_the_node_keeps_the_contract():
    structures = crystals(1, 2, 3)
    zn.testing.check_node(LabelFrames, structures=structures, calculator=Emt())
    zn.testing.check_node(LabelFrames, structures=structures, calculator=fussy(), on_error="record")
