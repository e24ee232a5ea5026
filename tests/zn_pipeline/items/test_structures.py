import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLengths, FixCartesian, FixedPlane, Hookean
from ase.io import read, write

from zn_pipeline.items.values import decode, encode


def labelled() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = SinglePointCalculator(
        atoms, energy=-1.5, forces=np.ones((4, 3)), stress=np.arange(6.0)
    )
    atoms.calc.name = "emt"
    return atoms


def assert_same(one: Atoms, other: Atoms) -> None:
    assert type(one) is type(other)
    assert list(one.arrays) == list(other.arrays)
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(array, other.arrays[name])
    np.testing.assert_array_equal(one.cell.array, other.cell.array)
    np.testing.assert_array_equal(one.pbc, other.pbc)
    np.testing.assert_array_equal(one.get_celldisp(), other.get_celldisp())
    assert repr(one.info) == repr(other.info)
    assert [item.todict() for item in one.constraints] == [
        item.todict() for item in other.constraints
    ]


def test_a_labelled_structure():
    atoms = labelled()
    back = decode(encode(atoms))
    assert_same(atoms, back)
    assert type(back.calc) is SinglePointCalculator
    assert back.calc.name == "emt"
    assert list(back.calc.results) == ["energy", "forces", "stress"]
    assert type(back.get_potential_energy()) is float
    np.testing.assert_array_equal(back.get_forces(), np.ones((4, 3)))
    assert encode(back) == encode(atoms)


def test_what_comes_back_is_a_full_structure(tmp_path):
    back = decode(encode(labelled()))
    assert vars(back).keys() == vars(labelled()).keys()
    doubled = back * (2, 1, 1)
    assert len(doubled) == 8
    del back[0]
    back.set_cell(back.cell * 2, scale_atoms=True)
    back.wrap()
    copy = decode(encode(labelled()))
    write(tmp_path / "x.xyz", copy)
    assert read(tmp_path / "x.xyz").get_potential_energy() == -1.5


def test_results_know_when_the_structure_changes():
    back = decode(encode(labelled()))
    back.positions[0, 0] += 0.1
    assert "positions" in back.calc.check_state(back)
    again = decode(encode(back))
    assert "positions" in again.calc.check_state(again)
    assert again.calc.results["energy"] == -1.5
    np.testing.assert_array_equal(again.calc.atoms.positions, labelled().positions)


def test_two_copies_share_nothing():
    data = encode(labelled())
    one, other = decode(data), decode(data)
    one.positions[:] = 0
    one.cell[:] = 0
    one.calc.results["forces"][:] = 0
    assert_same(other, labelled())
    assert not np.shares_memory(other.positions, other.calc.atoms.positions)
    assert other.positions.flags.aligned
    assert other.positions.flags.writeable


def test_everything_that_a_structure_can_hold():
    atoms = molecule("CH3CH2OH", vacuum=3, info={"charge": 1, "nested": {"a": [1, (2.5, None)]}})
    atoms.info["array"] = np.arange(3, dtype=np.int8)
    atoms.set_tags(range(9))
    atoms.set_momenta(np.ones((9, 3)))
    atoms.set_initial_magnetic_moments(np.ones(9))
    atoms.set_array("names", np.array(["a", "bcd"] + ["x"] * 7))
    atoms.set_array("flags", np.array([True, False, True] * 3))
    atoms.arrays["objects"] = np.array(["a", None, 1] * 3, dtype=object)
    atoms.set_pbc([True, False, True])
    atoms.set_celldisp([0.5, 0, 0])
    atoms.set_constraint(
        [
            FixAtoms([0, 1]), FixBondLengths([[1, 2]]), FixCartesian(3, [True, False, True]),
            FixedPlane(4, (0, 0, 1)), Hookean(0, 2, 5.0, rt=1.5),
        ]
    )  # fmt: skip
    back = decode(encode([atoms, {"inner": atoms}]))
    assert_same(back[0], atoms)
    assert_same(back[1]["inner"], atoms)
    assert back[0].constraints[0].get_indices().tolist() == [0, 1]


@pytest.mark.parametrize("atoms", [Atoms(), Atoms("H"), Atoms("H", celldisp=[1, 2, 3])], ids=str)
def test_small_structures(atoms):
    assert_same(decode(encode(atoms)), atoms)


def test_results_of_any_kind():
    atoms = labelled()
    results = {
        "energy": np.float64(np.nan), "converged": True, "text": "done", "free": float("nan"),
        "kpts": [1, 2], "dipole": np.array([1, 2], np.float32), "none": None,
    }  # fmt: skip
    atoms.calc.results = results
    back = decode(encode(atoms)).calc.results
    assert list(back) == list(results)
    assert all(type(back[name]) is type(results[name]) for name in results)
    assert np.isnan(back["energy"])
    assert repr(back) == repr(results)


def test_a_working_calculator_becomes_its_results():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    energy = atoms.get_potential_energy()
    back = decode(encode(atoms))
    assert type(back.calc) is SinglePointCalculator
    assert (back.calc.name, back.get_potential_energy()) == ("emt", energy)
    atoms.calc = LennardJones()  # not used yet
    assert decode(encode(atoms)).calc.results == {}


def test_what_cannot_be_stored_is_named():
    class Odd:
        pass

    atoms = Atoms("H", info={"odd": {"x": Odd()}})
    with pytest.raises(TypeError, match=r"value\[3\]\['info'\]\['odd'\]\['x'\] must be .*Odd"):
        encode([1, 2, 3, atoms])
    atoms = Atoms("H")
    atoms.constraints = [Odd()]
    with pytest.raises(TypeError, match=r"constraints of ASE .*received Odd"):
        encode(atoms)
    atoms = Atoms("H")
    atoms.calc = Odd()
    with pytest.raises(TypeError, match=r"calculator has results, received Odd"):
        encode(atoms)


def test_a_subclass_is_refused():
    class Special(Atoms):
        pass

    with pytest.raises(TypeError, match=r"must be Atoms.*Special"):
        encode(Special("H"))


def test_a_fresh_process_reads_structures(tmp_path):
    (tmp_path / "value").write_bytes(encode([labelled()]))
    code = (
        "import sys; from zn_pipeline.items.values import decode; assert 'ase' not in sys.modules;"
        "print(decode(open('value', 'rb').read())[0].get_potential_energy())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "-1.5\n"
