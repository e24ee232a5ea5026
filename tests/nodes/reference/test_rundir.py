from dataclasses import dataclass
from typing import ClassVar

import ase.build
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.reference.failures import CodeError, NotConvergedError
from nodes.reference.rundir import FileCode, run_folder


@dataclass(frozen=True)
class Toy(FileCode):
    """Energy is the number of atoms; three atoms do not converge."""

    code: ClassVar[str] = "toy"
    properties: ClassVar[tuple[str, ...]] = ("energy", "forces", "stress")
    outputs: ClassVar[tuple[str, ...]] = ("*.out",)

    def compute(self, atoms, properties, folder):
        assert not any(folder.iterdir()), "the folder must be new"
        assert not atoms.constraints
        (folder / "toy.out").write_text("result")
        (folder / "orbitals").mkdir()
        (folder / "orbitals" / "large").write_text("0" * 1000)
        (folder / "input").write_text(" ".join(properties))
        if len(atoms) == 3:
            raise NotConvergedError("it did not converge")
        return {"energy": float(len(atoms)), "stress": [0.0] * 6}


def crystal(n_atoms):
    return ase.build.bulk("Cu").repeat((n_atoms, 1, 1))


def names(root):
    return sorted(str(path.relative_to(root).name) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("keep", "after_success", "after_failure"),
    [
        ("nothing", [], []),
        ("outputs", ["toy.out"], ["toy.out"]),
        ("failed", [], ["input", "large", "toy.out"]),
        ("everything", ["input", "large", "toy.out"], ["input", "large", "toy.out"]),
    ],
)
def test_what_is_kept_follows_the_rule(tmp_path, keep, after_success, after_failure):
    spec = Toy(keep=keep)
    good = spec.get_calculator(tmp_path / "good")
    good.calculate(crystal(2))
    assert good.results["energy"] == 2.0
    assert names(tmp_path / "good") == after_success
    with pytest.raises(NotConvergedError) as caught:
        spec.get_calculator(tmp_path / "bad").calculate(crystal(3))
    assert names(tmp_path / "bad") == after_failure
    assert [path.name for path in caught.value.kept_files] == [
        name for name in ("input", "large", "toy.out") if name in after_failure
    ]
    assert all(path.is_file() for path in caught.value.kept_files)


def test_two_structures_never_share_a_folder(tmp_path):
    calculator = Toy(keep="everything").get_calculator(tmp_path)
    for structure in (crystal(2), crystal(2)):
        calculator.reset()
        calculator.calculate(structure)
    assert len(list(tmp_path.glob("toy-Cu2-*"))) == 2


def test_scratch_is_used_and_what_is_kept_is_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("FAST_DISK", str(tmp_path / "fast"))
    seen = []

    @dataclass(frozen=True)
    class Watching(Toy):
        def compute(self, atoms, properties, folder):
            seen.append(folder)
            return super().compute(atoms, properties, folder)

    calculator = Watching(scratch="$FAST_DISK/here").get_calculator(tmp_path / "kept")
    calculator.calculate(crystal(1))
    assert seen[0].parent == tmp_path / "fast" / "here"
    assert list((tmp_path / "fast" / "here").iterdir()) == []
    assert names(tmp_path / "kept") == ["toy.out"]


def test_other_errors_pass_and_clean_up_as_well(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        run_folder("x-", tmp_path, scratch=None, keep="nothing", outputs=()),
    ):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_stress_is_left_out_for_molecules(tmp_path):
    calculator = Toy().get_calculator(tmp_path)
    water = ase.build.molecule("H2O")
    water.symbols = "CuCuCu"
    water = water[:2]
    calculator.calculate(water)
    assert "stress" not in calculator.results
    with pytest.raises(PropertyNotImplementedError, match="periodic along some axis"):
        calculator.calculate(water, ["stress"])
    calculator.calculate(crystal(2), ["stress"])
    assert "stress" in calculator.results


def test_constraints_do_not_reach_the_code(tmp_path):
    structure = crystal(2)
    structure.set_constraint(FixAtoms([0]))
    Toy().get_calculator(tmp_path).calculate(structure)
    assert structure.constraints


def test_files_go_below_the_present_folder_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Toy().get_calculator().calculate(crystal(1))
    assert names(tmp_path / "toy") == ["toy.out"]


def test_a_spec_is_a_calculator_of_the_framework(tmp_path):
    assert isinstance(Toy(), HasCalculator)
    labelled = zn.Evaluate(Toy(), ("energy",), tmp_path)(crystal(4))
    assert labelled.get_potential_energy() == 4.0
    with pytest.raises(CodeError, match="did not converge"):
        zn.Evaluate(Toy(), ("energy",), tmp_path)(crystal(3))


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match=r"keep must be one of nothing, .* received 'some'"):
        Toy(keep="some")
