import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.cp2k import parse_input

from nodes.reference.cp2k import Cp2k


def sections(spec, atoms):
    return parse_input(spec.input_text(atoms, "folder/cp2k"))


def keywords(root, path):
    return root.get_subsection(path).keywords


def water(vacuum=3.0):
    molecule = ase.build.molecule("H2O")
    molecule.center(vacuum)
    return molecule


def test_a_molecule_has_neither_periodicity_nor_stress_nor_kpoints():
    root = sections(Cp2k(kgrid=(2, 2, 2)), water())
    assert "PERIODIC NONE" in keywords(root, "FORCE_EVAL/SUBSYS/CELL")
    assert keywords(root, "FORCE_EVAL/DFT/POISSON") == ["PERIODIC NONE", "PSOLVER MT"]
    assert not any("STRESS" in line for line in keywords(root, "FORCE_EVAL"))
    names = [part.name for part in root.get_subsection("FORCE_EVAL/DFT").subsections]
    assert "KPOINTS" not in names


def test_a_crystal_has_stress_and_a_grid_that_holds_gamma():
    silicon = ase.build.bulk("Si")
    root = sections(Cp2k(kgrid=(2, 1, 1)), silicon)
    assert "STRESS_TENSOR ANALYTICAL" in keywords(root, "FORCE_EVAL")
    assert "PERIODIC XYZ" in keywords(root, "FORCE_EVAL/SUBSYS/CELL")
    points = [line.split()[1:] for line in keywords(root, "FORCE_EVAL/DFT/KPOINTS")[3:]]
    expected = [[0, 0, 0, 0.5], [0.5, 0, 0, 0.5]]
    np.testing.assert_allclose(np.array(points, float), expected)


def test_a_slab_is_periodic_along_its_axes():
    slab = ase.build.fcc111("Al", (1, 1, 2), vacuum=4.0)
    assert "PERIODIC XY" in keywords(sections(Cp2k(), slab), "FORCE_EVAL/SUBSYS/CELL")


def test_coordinates_and_kinds_are_those_of_the_structure():
    atoms = water()
    root = sections(Cp2k(basis_set="SZV-MOLOPT-SR-GTH"), atoms)
    lines = [line.split() for line in keywords(root, "FORCE_EVAL/SUBSYS/COORD")]
    assert [line[0] for line in lines] == ["O", "H", "H"]
    np.testing.assert_allclose(np.array([line[1:] for line in lines], float), atoms.positions)
    kinds = [p for p in root.get_subsection("FORCE_EVAL/SUBSYS").subsections if p.name == "KIND"]
    assert [kind.params for kind in kinds] == ["O", "H"]
    assert kinds[0].keywords == ["BASIS_SET SZV-MOLOPT-SR-GTH", "POTENTIAL GTH-PBE"]


def test_what_the_template_says_is_left_as_it_is():
    template = """
        &GLOBAL
          PRINT_LEVEL MEDIUM
        &END GLOBAL
        &FORCE_EVAL
          &DFT
            &MGRID
              NGRIDS 5
              CUTOFF [Ry] 250
            &END MGRID
            &XC
              &XC_FUNCTIONAL BLYP
              &END XC_FUNCTIONAL
            &END XC
          &END DFT
          &SUBSYS
            &KIND O
              BASIS_SET SZV-MOLOPT-GTH
            &END KIND
          &END SUBSYS
        &END FORCE_EVAL"""
    root = sections(Cp2k(cutoff_ry=400.0, template=template), water())
    assert keywords(root, "FORCE_EVAL/DFT/MGRID") == ["NGRIDS 5", "CUTOFF [Ry] 250"]
    assert root.get_subsection("FORCE_EVAL/DFT/XC/XC_FUNCTIONAL").params == "BLYP"
    assert "PRINT_LEVEL MEDIUM" in keywords(root, "GLOBAL")
    text = Cp2k(template=template).input_text(water(), "x")
    assert text.count("&KIND O") == 1
    assert text.count("BASIS_SET SZV-MOLOPT-GTH") == 1


def test_charge_and_spin_are_those_of_the_structure():
    hydroxyl = ase.build.molecule("OH", vacuum=3.0)
    lines = keywords(sections(Cp2k(), hydroxyl), "FORCE_EVAL/DFT")
    assert {"MULTIPLICITY 2", "UKS .TRUE."} <= set(lines)
    hydroxyl.info["charge"] = -1
    hydroxyl.set_initial_magnetic_moments(None)
    lines = keywords(sections(Cp2k(), hydroxyl), "FORCE_EVAL/DFT")
    assert "CHARGE -1" in lines
    assert not any("UKS" in line for line in lines)


def test_files_of_ones_own_are_named_by_their_full_path(tmp_path, monkeypatch):
    (tmp_path / "MY_BASIS").write_text("basis")
    monkeypatch.chdir(tmp_path)
    lines = keywords(sections(Cp2k(basis_file="MY_BASIS"), water()), "FORCE_EVAL/DFT")
    assert f"BASIS_SET_FILE_NAME {tmp_path / 'MY_BASIS'}" in lines
    assert "POTENTIAL_FILE_NAME GTH_POTENTIALS" in lines


def test_unusable_structures_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"must have three cell vectors, received H2O"):
        Cp2k().input_text(ase.build.molecule("H2O"), "x")
    with pytest.raises(ValueError, match="3 positive numbers"):
        Cp2k(kgrid=(0, 1, 1))
    with pytest.raises(ValueError, match="multiplicity must be odd"):
        Cp2k(multiplicity=2).input_text(Atoms("He", cell=[5, 5, 5]), "x")
