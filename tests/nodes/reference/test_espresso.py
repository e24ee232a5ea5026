import gzip
import os
import shutil
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase.io.espresso import read_fortran_namelist

import zn_pipeline as zn
from nodes.reference.espresso import QuantumEspresso
from nodes.reference.failures import CodeCrashedError, CodeMissingError, NotConvergedError

EXAMPLES = Path("/usr/share/doc/quantum-espresso/examples")
POTENTIALS = {
    "Si": EXAMPLES / "XSpectra/pseudo/Si_PBE_USPP.UPF.gz",
    "H": EXAMPLES / "CPV/EXX-wf-example/H_HSCV_PBE-1.0.UPF.gz",
}
needs_espresso = pytest.mark.skipif(
    shutil.which("pw.x") is None or not all(path.exists() for path in POTENTIALS.values()),
    reason="Quantum ESPRESSO and the potentials of its examples are not installed",
)


@pytest.fixture
def potentials(tmp_path: Path) -> dict[str, Path]:
    """Return a file for silicon and hydrogen: real ones where they are installed."""
    found = {}
    for element, source in POTENTIALS.items():
        found[element] = tmp_path / f"{element}.some.UPF"
        text = gzip.decompress(source.read_bytes()) if source.exists() else b"<UPF>\n"
        found[element].write_bytes(text)
    return found


def written(spec, atoms, folder, properties=("energy", "forces")):
    spec.write_input(atoms, properties, folder)
    with (folder / "espresso.pwi").open() as stream:
        namelists, cards = read_fortran_namelist(stream)
    return namelists, "\n".join(cards)


def silicon(seed=1):
    atoms = ase.build.bulk("Si")
    atoms.rattle(0.05, seed=seed)
    return atoms


def test_the_input_follows_from_settings_and_structure(potentials, tmp_path):
    spec = QuantumEspresso(
        potentials, 20, 120, kgrid=(3, 2, 1), settings={"electrons": {"conv_thr": 1e-8}}
    )
    structure = silicon()
    structure.info["charge"] = 1
    namelists, cards = written(spec, structure, tmp_path)
    assert namelists["system"]["ecutwfc"] == 20
    assert namelists["system"]["ecutrho"] == 120
    assert namelists["system"]["tot_charge"] == 1
    assert namelists["electrons"]["conv_thr"] == 1e-8
    assert namelists["control"]["tprnfor"] is True
    assert namelists["control"]["tstress"] is False
    assert "nosym" not in namelists["system"]
    assert "3 2 1  0 0 0" in cards
    assert (tmp_path / "Si.upf").resolve() == potentials["Si"]


def test_molecules_get_gamma_and_sockets_no_symmetry(potentials, tmp_path):
    molecule = ase.build.molecule("H2", vacuum=3.0)
    spec = QuantumEspresso(potentials, 20, kgrid=(4, 4, 4), socket=True)
    namelists, cards = written(spec, molecule, tmp_path)
    assert "K_POINTS gamma" in cards
    assert namelists["system"]["nosym"] is True


def test_unusable_structures_are_refused(potentials, tmp_path):
    spec = QuantumEspresso(potentials, 20)
    with pytest.raises(ValueError, match="three cell vectors, received H2 with"):
        written(spec, ase.build.molecule("H2"), tmp_path)
    with pytest.raises(ValueError, match=r"must name a file for Cu, received \['H', 'Si'\]"):
        written(spec, ase.build.bulk("Cu"), tmp_path)
    with pytest.raises(ValueError, match="received both"):
        QuantumEspresso(potentials, 20, kgrid=(1, 1, 1), kspacing_per_angstrom=0.2)


def test_a_missing_command_and_torn_output_are_failures(potentials, tmp_path):
    spec = QuantumEspresso(potentials, 20, command="no-pw")
    with pytest.raises(CodeMissingError, match="no-pw must be a command"):
        spec.get_calculator(tmp_path / "runs").calculate(silicon())
    for text in ("", "JOB DONE."):
        (tmp_path / "pw").write_text(f"#!/bin/sh\necho {text}\n")
        (tmp_path / "pw").chmod(0o755)
        spec = QuantumEspresso(potentials, 20, command=str(tmp_path / "pw"))
        with pytest.raises(CodeCrashedError):
            spec.get_calculator(tmp_path / "runs").calculate(silicon())


@pytest.mark.slow
@needs_espresso
def test_forces_and_stress_are_slopes_of_the_energy(potentials, tmp_path):
    spec = QuantumEspresso(
        potentials, 20, 120, kgrid=(2, 2, 2), settings={"electrons": {"conv_thr": 1e-9}}
    )
    evaluate = zn.Evaluate(spec, ("energy", "forces", "stress"), tmp_path / "runs")
    labelled = evaluate(silicon())
    step, energies, volumes = 0.01, [], []
    for sign in (1, -1):
        moved = silicon()
        moved.positions[1, 0] += sign * step
        energies.append(evaluate(moved).get_potential_energy())
    slope = -(energies[0] - energies[1]) / (2 * step)
    assert labelled.get_forces()[1, 0] == pytest.approx(slope, abs=0.02)
    energies = []
    for sign in (1, -1):
        swollen = silicon()
        swollen.set_cell(swollen.cell * (1 + sign * 0.01), scale_atoms=True)
        energies.append(evaluate(swollen).get_potential_energy())
        volumes.append(swollen.get_volume())
    pressure = -(energies[0] - energies[1]) / (volumes[0] - volumes[1])
    # Plane waves of a fixed cutoff: the stress lacks the change of their number.
    assert -labelled.get_stress()[:3].mean() == pytest.approx(pressure, abs=0.02)
    kept = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert kept == {"espresso.pwi", "espresso.pwo"}


@pytest.mark.slow
@needs_espresso
@pytest.mark.parametrize("socket", [False, True])
def test_failures_are_told_apart(potentials, tmp_path, socket):
    def failure(**settings):
        spec = QuantumEspresso(
            potentials, 20, 120, socket=socket, **({"kgrid": (2, 2, 2)} | settings)
        )
        with pytest.raises(zn.PipelineError) as caught:
            spec.get_calculator(tmp_path / "runs").calculate(silicon())
        return caught.value

    error = failure(settings={"electrons": {"electron_maxstep": 1}})
    assert isinstance(error, NotConvergedError)
    assert {path.name for path in error.kept_files} == {"espresso.pwi", "espresso.pwo"}
    assert failure(time_limit_s=0.2).failure_kind == "timeout"
    assert isinstance(failure(version="7.2"), CodeMissingError)
    assert isinstance(failure(settings={"system": {"nonsense": 1}}), CodeCrashedError)
    assert not list(Path("/tmp").glob(f"ipi_znp_{os.getpid()}_*"))


@pytest.mark.slow
@needs_espresso
def test_results_over_the_socket_are_those_of_files(potentials, tmp_path):
    settings = {"electrons": {"conv_thr": 1e-9}}
    spec = QuantumEspresso(potentials, 20, 120, kgrid=(2, 2, 2), settings=settings)
    names = ("energy", "forces", "stress")
    plain = zn.Evaluate(spec, names, tmp_path / "files")
    spec = QuantumEspresso(potentials, 20, 120, kgrid=(2, 2, 2), settings=settings, socket=True)
    calc = spec.get_calculator(tmp_path / "socket")
    # The first is symmetric, and must not force its symmetry upon the others.
    larger = silicon()
    larger.set_cell(larger.cell * 1.02, scale_atoms=True)
    for structure in (ase.build.bulk("Si"), silicon(2), larger):
        calc.reset()
        calc.calculate(structure, names)
        expected = plain(structure)
        assert calc.results["energy"] == pytest.approx(expected.get_potential_energy(), abs=2e-3)
        np.testing.assert_allclose(calc.results["forces"], expected.get_forces(), atol=0.02)
        np.testing.assert_allclose(calc.results["stress"], expected.get_stress(), atol=2e-3)
    calc.close()
    assert len(list((tmp_path / "socket").iterdir())) == 2, "one for each cell"
    assert not list(Path("/tmp").glob(f"ipi_znp_{os.getpid()}_*"))
