"""VASP is not installed in tests: input and output are tested on files in its format."""

import sys
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.units import GPa

import zn_pipeline as zn
from nodes.reference.failures import CodeCrashedError, CodeMissingError, NotConvergedError
from nodes.reference.vasp import Vasp, incar_text, kpoints_text, right_handed, vasp_results

# The atoms of the file are sorted: H, H, O.
VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <kpoints>
  <generation param="Gamma"><v type="int" name="divisions">1 1 1 </v></generation>
  <varray name="kpointlist"><v> 0.0 0.0 0.0 </v></varray>
  <varray name="weights"><v> 1.0 </v></varray>
 </kpoints>
 <parameters><i name="PSTRESS"> 0.0</i></parameters>
 <atominfo><array name="atoms"><set>
  <rc><c>H </c><c> 1</c></rc><rc><c>H </c><c> 1</c></rc><rc><c>O </c><c> 2</c></rc>
 </set></array></atominfo>
 <structure name="initialpos">
  <crystal><varray name="basis"><v>8 0 0</v><v>0 8 0</v><v>0 0 8</v></varray></crystal>
  <varray name="positions"><v>0 0.1 0</v><v>0 0.9 0</v><v>0 0 0.1</v></varray>
 </structure>
 <calculation>
  <scstep><energy><i name="e_fr_energy">-14.20</i><i name="e_0_energy">-14.10</i></energy></scstep>
  <structure>
   <crystal><varray name="basis"><v>8 0 0</v><v>0 8 0</v><v>0 0 8</v></varray></crystal>
   <varray name="positions"><v>0 0.1 0</v><v>0 0.9 0</v><v>0 0 0.1</v></varray>
  </structure>
  <varray name="forces"><v>0 1 0</v><v>0 -1 0.5</v><v>0 0 -0.5</v></varray>
  <varray name="stress"><v>10 1 2</v><v>1 20 3</v><v>2 3 30</v></varray>
  <energy><i name="e_fr_energy">-14.20</i><i name="e_0_energy">-14.20</i></energy>
 </calculation>
</modeling>
"""

OUTCAR = """ vasp.6.3.0 20Jan22 (build Mar 03 2023) complex
------------------------ aborting loop because EDIFF is reached ------------------------
 General timing and accounting informations for this job:
"""

# Notes what it was called with and found, and leaves the results of its folder.
FAKE = """
import shutil, sys
from pathlib import Path
data = Path(sys.argv[1])
incar = Path("INCAR").read_text()
with (data / "log").open("a") as log:
    print(sys.argv[2], Path("WAVECAR").is_file(), incar.replace(chr(10), "; "), file=log)
for name in ("POSCAR", "KPOINTS", "POTCAR"):
    shutil.copyfile(name, data / name)
shutil.copyfile(data / "vasprun.xml", "vasprun.xml")
Path("OUTCAR").write_text((data / "OUTCAR").read_text())
Path("WAVECAR").write_text("orbitals")
print("running on 1 core")
"""

WATER = Atoms("OHH", [[0, 0, 0.8], [0, 0.8, 0], [0, 7.2, 0]], cell=[8, 8, 8], pbc=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a program that behaves like VASP, and its potentials."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "vasprun.xml").write_text(VASPRUN)
    (folder / "OUTCAR").write_text(OUTCAR)
    (folder / "vasp.py").write_text(FAKE)
    (folder / "POTCAR.H").write_text(" PAW_PBE H\n POMASS = 1.0; ZVAL = 1.000 mass\n")
    (folder / "POTCAR.O").write_text(" PAW_PBE O\n POMASS = 16.0; ZVAL = 6.000 mass\n")
    return folder


def spec(data: Path, incar=None, **settings) -> Vasp:
    command = f"{sys.executable} -S {data / 'vasp.py'} {data}"
    return Vasp(
        incar={"ENCUT": 400.0, **(incar or {})},
        potentials={"H": data / "POTCAR.H", "O": data / "POTCAR.O"},
        command=f"{command} standard",
        command_gamma=f"{command} gamma",
        **settings,
    )


def run(spec, atoms=WATER, properties=("energy", "forces", "stress"), folder=None):
    return zn.Evaluate(spec, properties, folder or spec.potentials["H"].parent / "runs")(atoms)


def test_results_come_back_in_the_order_of_the_structure(data):
    labelled = run(spec(data))
    assert labelled.get_potential_energy() == pytest.approx(-14.10)
    expected = [[0, 0, -0.5], [0, 1, 0], [0, -1, 0.5]]
    np.testing.assert_allclose(labelled.get_forces(), expected)
    voigt = np.array([10, 20, 30, 3, 2, 1])
    np.testing.assert_allclose(labelled.get_stress(), -0.1 * GPa * voigt)
    assert labelled.get_chemical_symbols() == ["O", "H", "H"]


def test_poscar_and_potcar_are_sorted_alike(data):
    run(spec(data))
    written = ase.io.read(data / "POSCAR", format="vasp")
    assert written.get_chemical_symbols() == ["H", "H", "O"]
    np.testing.assert_allclose(written.positions[2], WATER.positions[0])
    assert (data / "POTCAR").read_text().index("PAW_PBE H") < (
        (data / "POTCAR").read_text().index("PAW_PBE O")
    )


def test_mixed_orders_of_elements_are_sorted_stably(data):
    mixed = WATER[[1, 0, 2]]
    forces = run(spec(data), mixed).get_forces()
    np.testing.assert_allclose(forces, [[0, 1, 0], [0, 0, -0.5], [0, -1, 0.5]])


def test_gamma_alone_runs_the_gamma_command(data):
    run(spec(data, kspacing_per_angstrom=2.0))
    run(spec(data, kgrid=(1, 1, 2)))
    molecule = WATER.copy()
    molecule.pbc = False
    run(spec(data, kgrid=(4, 4, 4)), molecule, ("energy",))
    commands = [line.split()[0] for line in (data / "log").read_text().splitlines()]
    assert commands == ["gamma", "standard", "gamma"]
    assert (data / "KPOINTS").read_text() == kpoints_text((1, 1, 1))


def test_a_chain_of_incars_runs_in_one_folder(data):
    steps = [{"ALGO": "Normal"}, {"lhfcalc": True, "ALGO": "All"}]
    run(spec(data, {"EDIFF": 1e-6}, steps=steps))
    first, second = (data / "log").read_text().splitlines()
    assert "ALGO = Normal" in first
    assert "LHFCALC" not in first
    assert "False" in first.split("ENCUT")[0]
    assert "LHFCALC = .TRUE." in second
    assert "ALGO = All" in second
    assert "EDIFF = 1e-06" in second
    assert "True" in second.split("ENCUT")[0], "the second finds the orbitals of the first"
    (folder,) = (data / "runs").iterdir()
    assert {"INCAR", "INCAR.1", "OUTCAR", "OUTCAR.1"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "WAVECAR").exists()


def test_moments_and_charge_become_tags_in_the_sorted_order(data):
    structure = WATER.copy()
    structure.set_initial_magnetic_moments([2.0, 0.5, -0.5])
    structure.info["charge"] = 1
    run(spec(data, {"ISPIN": 2}), structure)
    log = (data / "log").read_text()
    assert "MAGMOM = 0.5 -0.5 2.0" in log
    assert "NELECT = 7.0" in log
    run(spec(data), structure)
    assert "MAGMOM" not in (data / "log").read_text().splitlines()[-1]


def test_a_left_handed_cell_is_reversed_without_moving_anything():
    left = ase.build.bulk("Si")
    left.rattle(0.1, seed=1)
    left.set_cell(left.cell[[1, 0, 2]])
    assert np.linalg.det(left.cell) < 0
    right = right_handed(left)
    assert np.linalg.det(right.cell) > 0
    np.testing.assert_array_equal(right.positions, left.positions)
    np.testing.assert_allclose(
        right.get_all_distances(mic=True), left.get_all_distances(mic=True), atol=1e-12
    )
    assert right_handed(right) == right


def test_a_left_handed_cell_is_never_written(data):
    structure = WATER.copy()
    structure.set_cell([[0, 8, 0], [8, 0, 0], [0, 0, 8]])
    run(spec(data), structure)
    written = ase.io.read(data / "POSCAR", format="vasp")
    assert np.linalg.det(written.cell) > 0
    np.testing.assert_allclose(written.positions[2], structure.positions[0], atol=1e-9)


@pytest.mark.parametrize(
    ("outcar", "error", "match"),
    [
        (OUTCAR.replace("because EDIFF is reached", "EDIFF was not reached (unconverged)"),
         NotConvergedError, "EDIFF was not reached"),
        (OUTCAR.replace("aborting loop", ""), NotConvergedError, "received NELM iterations"),
        (OUTCAR.partition("General")[0], CodeCrashedError, "end with its timing"),
    ],
)  # fmt: skip
def test_failures_are_told_apart(data, outcar, error, match):
    (data / "OUTCAR").write_text(outcar)
    with pytest.raises(error, match=match) as caught:
        run(spec(data))
    assert "OUTCAR" in {path.name for path in caught.value.kept_files}


def test_a_crash_a_torn_file_and_another_version_are_failures(data):
    with pytest.raises(CodeMissingError, match=r"must be 5.4, received 6.3.0"):
        run(spec(data, version="5.4"))
    (data / "vasprun.xml").write_text(VASPRUN[: len(VASPRUN) // 2])
    with pytest.raises(CodeCrashedError, match=r"vasprun.xml must be complete"):
        run(spec(data))
    (data / "vasp.py").write_text("import sys\nprint('VERY BAD NEWS')\nsys.exit(4)\n")
    with pytest.raises(CodeCrashedError, match=r"exit code 4\n.*VERY BAD NEWS"):
        run(spec(data))


def test_results_can_be_read_from_a_file_alone(tmp_path):
    (tmp_path / "vasprun.xml").write_text(VASPRUN)
    results = vasp_results(tmp_path / "vasprun.xml", np.array([1, 2, 0]))
    assert results["free_energy"] == pytest.approx(-14.20)
    np.testing.assert_allclose(results["forces"][0], [0, 0, -0.5])


def test_tags_are_written_as_vasp_reads_them():
    tags = {"lwave": False, "MAGMOM": [1.0, -1.0], "ALGO": "Fast", "NELM": 60}
    assert incar_text(tags) == "LWAVE = .FALSE.\nMAGMOM = 1.0 -1.0\nALGO = Fast\nNELM = 60\n"


def test_unusable_settings_are_refused(data):
    with pytest.raises(ValueError, match=r"incar must set ENCUT .* received \['EDIFF'\]"):
        Vasp(incar={"EDIFF": 1e-5}, potentials={})
    for tag in ("MAGMOM", "kspacing", "NELECT"):
        with pytest.raises(ValueError, match=f"incar must leave out .*{tag.upper()}"):
            Vasp(incar={"ENCUT": 400, tag: 1}, potentials={})
    with pytest.raises(ValueError, match="must name a POTCAR for Cu"):
        run(spec(data), ase.build.bulk("Cu"), folder=data)
