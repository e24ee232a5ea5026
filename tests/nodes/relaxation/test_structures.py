import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT

import zn_pipeline as zn
from nodes.reference.calculators import AseCalculator, Emt
from nodes.relaxation.relax import Relax
from nodes.relaxation.structures import RelaxStructures


class Fussy(EMT):
    """EMT that knows copper only."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if (atoms.numbers != 29).any():
            raise RuntimeError("not copper")
        super().calculate(atoms, *arguments, **keywords)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rattled(symbol="Cu", stdev=0.1):
    atoms = ase.build.bulk(symbol, cubic=True)
    atoms.rattle(stdev, seed=1)
    atoms.info["label"] = symbol
    return atoms


def relaxed(**fields):
    node = RelaxStructures(**({"calculator": Emt()} | fields))
    node.run()
    return node


def test_structures_come_back_relaxed_in_their_order():
    structures = [rattled("Cu"), rattled("Ag"), rattled("Cu", 0.0)]
    node = relaxed(structures=structures)
    assert node.rows.tolist() == [0, 1, 2]
    assert [frame.info["label"] for frame in node.frames] == ["Cu", "Ag", "Cu"]
    assert node.metrics["n_converged"] == 3
    assert node.metrics["n_not_converged"] == 0
    steps = [frame.info["step"] for frame in node.frames]
    assert steps[2] == 0
    assert node.metrics["mean_steps"] == pytest.approx(np.mean(steps))
    for frame, structure in zip(node.frames, structures, strict=True):
        np.testing.assert_array_equal(frame.positions, Relax(Emt())(structure).positions)
    assert structures[0] == rattled("Cu")


def test_what_does_not_converge_is_counted():
    structures = [rattled("Cu"), rattled("Cu", 0.0)]
    flagged = relaxed(structures=structures, max_steps=1)
    assert [frame.info["converged"] for frame in flagged.frames] == [False, True]
    assert flagged.metrics["n_not_converged"] == 1
    left_out = relaxed(structures=structures, max_steps=1, keep="last_converged")
    assert left_out.rows.tolist() == [1]
    assert left_out.metrics["n_not_converged"] == 1
    assert left_out.metrics["n_failed"] == 0
    failed = relaxed(structures=structures, max_steps=1, if_not_converged="fail", on_error="record")
    assert failed.rows.tolist() == [1]
    assert failed.failures[0]["row"] == 0
    assert "RelaxationError: forces must converge" in failed.failures[0]["reason"]
    assert failed.metrics == {
        "n_structures": 2, "n_converged": 1, "n_not_converged": 0, "n_failed": 1, "mean_steps": 0.0,
    }  # fmt: skip


def test_trajectories_have_the_row_of_their_structure():
    node = relaxed(structures=[rattled("Cu"), rattled("Ag")], keep="trajectory")
    assert node.metrics["n_converged"] == 2
    pairs = zip(node.frames, node.rows, strict=True)
    first = [frame.info["step"] for frame, row in pairs if row == 0]
    assert first == list(range(len(first)))


def test_failures_are_recorded():
    node = relaxed(
        structures=[rattled("Ag"), rattled("Cu")],
        calculator=AseCalculator(f"{__name__}:Fussy"),
        on_error="record",
    )
    assert node.rows.tolist() == [1]
    assert node.failures == [
        {"row": 0, "kind": "calculation", "reason": "RuntimeError: not copper"}
    ]
    with pytest.raises(zn.PipelineError, match="not copper"):
        relaxed(structures=[rattled("Ag")], calculator=AseCalculator(f"{__name__}:Fussy"))


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match="on_error must be one of raise, record, received 'skip'"):
        relaxed(structures=[], on_error="skip")
    with pytest.raises(ValueError, match="optimizer must be one of"):
        relaxed(structures=[], optimizer="CG")


def test_the_node_keeps_the_contract():
    structures = [rattled("Cu"), rattled("Ag")]
    zn.testing.check_node(RelaxStructures, structures=structures, calculator=Emt())
    zn.testing.check_node(
        RelaxStructures, structures=structures, calculator=Emt(), relax_cell="full",
        keep="trajectory", keep_symmetry=False, pressure_gpa=1.0,
    )  # fmt: skip
