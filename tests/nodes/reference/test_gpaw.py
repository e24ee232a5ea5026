import importlib.util
from pathlib import Path

import ase.build
import pytest

import zn_pipeline as zn
from nodes.reference.failures import CodeMissingError, NotConvergedError
from nodes.reference.gpaw import Gpaw

needs_gpaw = pytest.mark.skipif(
    importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed"
)


def silicon():
    atoms = ase.build.bulk("Si")
    atoms.rattle(0.05, seed=1)
    return atoms


def cheap(**settings):
    return Gpaw(**({"cutoff_ev": 200.0, "kgrid": (2, 2, 2)} | settings))


def test_keywords_follow_from_settings_and_structure():
    keywords = cheap(smearing_ev=0.1, settings={"symmetry": "off"}).keywords(silicon())
    assert keywords == {
        "mode": {"name": "pw", "ecut": 200.0},
        "xc": "PBE",
        "kpts": {"size": (2, 2, 2), "gamma": True},
        "maxiter": 333,
        "charge": 0,
        "occupations": {"name": "fermi-dirac", "width": 0.1},
        "symmetry": "off",
    }
    molecule = ase.build.molecule("H2O", vacuum=3.0)
    molecule.info["charge"] = -1
    keywords = Gpaw("lcao", grid_spacing_angstrom=0.25, kgrid=(2, 2, 2)).keywords(molecule)
    assert keywords["mode"] == "lcao"
    assert keywords["basis"] == "dzp"
    assert keywords["h"] == 0.25
    assert keywords["kpts"]["size"] == (1, 1, 1)
    assert keywords["charge"] == -1


def test_orbitals_have_no_stress():
    assert "stress" in Gpaw().get_calculator().implemented_properties
    assert "stress" not in Gpaw("lcao").get_calculator().implemented_properties


def test_a_missing_installation_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "gpaw", None)
    with pytest.raises(CodeMissingError, match="gpaw must be installed in this environment"):
        cheap().get_calculator(tmp_path).calculate(silicon())


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match='mode must be "pw" or "lcao", received \'fd\''):
        Gpaw("fd")
    with pytest.raises(ValueError, match="received both"):
        Gpaw(kgrid=(1, 1, 1), kspacing_per_angstrom=0.2)


@pytest.mark.slow
@needs_gpaw
@pytest.mark.filterwarnings("default")
def test_forces_are_the_slope_of_the_energy(tmp_path):
    spec = cheap(cutoff_ev=150.0, kgrid=(2, 1, 1))
    labelled = zn.Evaluate(spec, ("forces", "stress"), tmp_path)(silicon())
    evaluate = zn.Evaluate(spec, ("free_energy",), tmp_path)
    step, energies = 0.01, []
    for sign in (1, -1):
        moved = silicon()
        moved.positions[1, 0] += sign * step
        energies.append(evaluate(moved).calc.results["free_energy"])
    slope = -(energies[0] - energies[1]) / (2 * step)
    assert labelled.get_forces()[1, 0] == pytest.approx(slope, abs=0.05)
    assert labelled.get_stress().shape == (6,)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"gpaw.txt"}


@pytest.mark.slow
@needs_gpaw
@pytest.mark.filterwarnings("default")
def test_molecules_and_structures_before_do_not_matter(tmp_path):
    water = ase.build.molecule("H2O", vacuum=2.5)
    spec = Gpaw("lcao", grid_spacing_angstrom=0.3)
    evaluate = zn.Evaluate(spec, ("energy", "forces", "dipole"), tmp_path)
    alone = evaluate(water)
    stretched = water.copy()
    stretched.positions[1] *= 1.02
    evaluate(stretched)
    after = evaluate(water)
    assert after.get_potential_energy() == alone.get_potential_energy()
    assert (after.get_forces() == alone.get_forces()).all()
    assert abs(after.get_dipole_moment()[2]) == pytest.approx(0.39, abs=0.06)  # 1.85 Debye


@pytest.mark.slow
@needs_gpaw
@pytest.mark.filterwarnings("default")
def test_a_structure_that_does_not_converge_is_a_typed_failure(tmp_path):
    with pytest.raises(NotConvergedError, match="within 1 iterations") as caught:
        cheap(max_iterations=1).get_calculator(tmp_path).calculate(silicon())
    (path,) = caught.value.kept_files
    assert Path(path).name == "gpaw.txt"
