"""ORCA is not installed in tests: input and output are tested on texts in its format."""

import sys
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase.units import Bohr, Hartree

import zn_pipeline as zn
from nodes.reference.failures import CodeCrashedError, CodeError, NotConvergedError
from nodes.reference.orca import Orca, orca_input, orca_results

OUTPUT = """
                                 *****************
                                 * O   R   C   A *
                         Program Version 5.0.4 -  RELEASE  -
Number of atoms                             ...      3

               *****************************************************
               *                     SUCCESS                       *
               *           SCF CONVERGED AFTER   9 CYCLES          *
               *****************************************************

-------------------------   --------------------
FINAL SINGLE POINT ENERGY       -76.326925672348
-------------------------   --------------------

------------------
CARTESIAN GRADIENT
------------------

   1   O   :   -0.000000000    0.000000000   -0.012500000
   2   H   :   -0.000000000   -0.004000000    0.006250000
   3   H   :    0.000000000    0.004000000    0.006250000

Difference to translation invariance:
           :    0.0000000000    0.0000000000    0.0000000000

The origin for moment calculation is the CENTER OF MASS  = ( 0.000000,  0.000000  0.125000)
                                X             Y             Z
Total Dipole Moment    :      0.10000       0.00000      -0.75000
Magnitude (Debye)      :      1.92310

                             ****ORCA TERMINATED NORMALLY****
"""

GRADIENT = """#
# Number of atoms
#
 3
#
# The current total energy in Eh
#
    -76.326925672348
#
# The current gradient in Eh/bohr
#
      -0.000000000011
       0.000000000022
      -0.012500000033
      -0.000000000044
      -0.004000000055
       0.006250000066
       0.000000000077
       0.004000000088
       0.006250000099
#
# The atomic numbers and current coordinates in Bohr
#
   8     0.0000000    0.0000000    0.2253726
   1     0.0000000    1.4423128   -0.9014905
   1     0.0000000   -1.4423128   -0.9014905
"""

# Prints a text and leaves a gradient, as ORCA does; ends with the given exit code.
FAKE = """
import sys
from pathlib import Path
data, exit_code = Path(sys.argv[1]), int(sys.argv[2])
assert sys.argv[3] == "orca.inp"
print((data / "output").read_text())
if "EnGrad" in Path("orca.inp").read_text():
    Path("orca.engrad").write_text((data / "gradient").read_text())
Path("orca.gbw").write_text("orbitals")
sys.exit(exit_code)
"""


def fake(folder: Path, output: str = OUTPUT, exit_code: int = 0) -> str:
    """Return a command that behaves like ORCA."""
    (folder / "output").write_text(output)
    (folder / "gradient").write_text(GRADIENT)
    (folder / "orca.py").write_text(FAKE)
    return f"{sys.executable} -S {folder / 'orca.py'} {folder} {exit_code}"


def test_the_input_holds_keywords_blocks_and_the_molecule():
    text = orca_input(
        ase.build.molecule("OH"),
        keywords="PBE def2-SVP EnGrad",
        blocks={"maxcore": 3000, "scf": "MaxIter 300"},
        charge=-1,
        multiplicity=1,
    )
    lines = text.splitlines()
    assert lines[:6] == [
        "! PBE def2-SVP EnGrad",
        "%maxcore 3000",
        "%scf",
        "  MaxIter 300",
        "end",
        "* xyz -1 1",
    ]
    assert [line.split()[0] for line in lines[6:8]] == ["O", "H"]
    assert float(lines[7].split()[3]) == pytest.approx(ase.build.molecule("OH").positions[1, 2])
    assert lines[8] == "*"


def test_results_are_in_the_units_of_ase():
    results = orca_results(OUTPUT, GRADIENT, charge=0)
    assert results["energy"] == pytest.approx(-76.326925672348 * 27.211386, abs=1e-4)
    assert results["forces"][0, 2] == pytest.approx(0.012500000033 * Hartree / Bohr, rel=1e-12)
    assert results["forces"][2, 1] == pytest.approx(-0.004000000088 * Hartree / Bohr, rel=1e-12)
    np.testing.assert_allclose(results["dipole"], np.array([0.1, 0.0, -0.75]) * Bohr)


def test_without_the_gradient_file_the_printed_one_is_read():
    forces = orca_results(OUTPUT, "", charge=0)["forces"]
    expected = [[0, 0, 0.0125], [0, 0.004, -0.00625], [0, -0.004, -0.00625]]
    np.testing.assert_allclose(forces, np.array(expected) * Hartree / Bohr, atol=1e-12)


def test_the_dipole_of_an_ion_is_referred_to_the_origin():
    dipole = orca_results(OUTPUT, "", charge=2)["dipole"]
    np.testing.assert_allclose(dipole, np.array([0.1, 0.0, -0.75 + 2 * 0.125]) * Bohr)


def test_a_molecule_is_labelled(tmp_path):
    spec = Orca("PBE def2-SVP", command=fake(tmp_path), version="5.0")
    evaluate = zn.Evaluate(spec, ("energy", "forces", "dipole"), tmp_path / "runs")
    labelled = evaluate(ase.build.molecule("H2O"))
    assert labelled.get_potential_energy() == pytest.approx(-76.326925672348 * Hartree)
    assert labelled.get_forces().shape == (3, 3)
    (folder,) = (tmp_path / "runs").iterdir()
    kept = sorted(path.name for path in folder.iterdir())
    assert kept == ["orca.engrad", "orca.inp", "orca.out"]
    assert "* xyz 0 1" in (folder / "orca.inp").read_text()


def test_forces_cost_nothing_when_they_are_not_asked_for(tmp_path):
    calculator = Orca("PBE", command=fake(tmp_path), cores=2).get_calculator(tmp_path / "runs")
    calculator.calculate(ase.build.molecule("H2O"), ["energy"])
    (text,) = (path.read_text() for path in (tmp_path / "runs").rglob("orca.inp"))
    assert "EnGrad" not in text
    assert "%pal\n  nprocs 2\nend" in text


@pytest.mark.parametrize(
    ("output", "exit_code", "error", "match"),
    [
        ("SCF NOT CONVERGED AFTER 125 CYCLES", 0, NotConvergedError, "SCF NOT CONVERGED"),
        (OUTPUT.replace("672348\n", "672348 (Wavefunction not fully converged!)\n"), 0,
         NotConvergedError, "not fully converged"),
        ("ORCA finished by error termination in SCF", 55, CodeCrashedError, "exit code 55"),
        (OUTPUT.replace("TERMINATED NORMALLY", ""), 0, CodeCrashedError, "terminate normally"),
        (OUTPUT.replace("FINAL SINGLE", ""), 0, CodeError, "must hold energy"),
    ],
)  # fmt: skip
def test_failures_are_told_apart(tmp_path, output, exit_code, error, match):
    command = fake(tmp_path, output, exit_code)
    calculator = Orca("PBE", command=command).get_calculator(tmp_path / "runs")
    with pytest.raises(error, match=match) as caught:
        calculator.calculate(ase.build.molecule("H2O"), ["energy"])
    assert {path.name for path in caught.value.kept_files} == {"orca.inp", "orca.out"}


def test_periodic_structures_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must not be periodic"):
        Orca("PBE").get_calculator(tmp_path).calculate(ase.build.bulk("Cu"))
