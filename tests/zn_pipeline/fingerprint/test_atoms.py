import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.spacegroup import crystal

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.atoms import atoms_hash


def structure(**info):
    atoms = bulk("Cu", cubic=True)
    atoms.info.update(info)
    return atoms


def same(first, second, reads="all"):
    return atoms_hash(first, reads) == atoms_hash(second, reads)


def labelled(number: int, rng: np.random.Generator) -> Atoms:
    """A structure with about everything that extxyz keeps."""
    makers = [
        lambda: bulk("Cu", cubic=True),
        lambda: molecule("CH3CH2OH"),
        lambda: Atoms("H"),
        lambda: crystal("Al", [(0, 0, 0)], spacegroup=225, cellpar=[4.05] * 3 + [90] * 3),
    ]
    atoms = makers[number % 4]()
    n = len(atoms)
    atoms.positions += rng.normal(scale=3.0, size=(n, 3))
    if number % 3 == 0:
        atoms.set_cell(atoms.cell.array + rng.normal(size=(3, 3)))
    atoms.info.update(
        config_type="md run", T=300, energy_ref=rng.normal(), flag=bool(number % 2),
        np_flag=np.bool_(True), np_int=np.int64(5), f32=np.float32(rng.normal()), f64=np.float64(3),
        vector=rng.normal(size=3), integers=[1, 2, 3], mixed=[1, 2.5], pair=(1, 2),
        matrix=rng.normal(size=(2, 2)), texts=["a", "b"], nested={"b": 1.5, "a": [1, 2]},
        one=np.array([3.5]), tiny=1e-12, minus_zero=-0.0, big=1e15, nan=float("nan"),
        f32s=rng.normal(size=3).astype("f4"), flags=[True, False], virial=rng.normal(size=(3, 3)),
    )  # fmt: skip
    atoms.set_tags(range(n))
    atoms.set_initial_charges(rng.normal(size=n))
    atoms.set_initial_magnetic_moments(rng.normal(size=n))
    atoms.set_momenta(rng.normal(size=(n, 3)))
    atoms.arrays["column"] = rng.normal(size=(n, 1))
    atoms.arrays["descriptor"] = 1e-3 * rng.normal(size=(n, 5))
    atoms.arrays["mask"] = rng.random(n) > 0.5
    atoms.arrays["words"] = np.array(["ab"] * n)
    atoms.arrays["f32"] = rng.normal(size=n).astype("f4")
    if number % 5 == 1:
        atoms.set_constraint(FixAtoms([0]))
    if number % 5 == 2:
        atoms.set_constraint([FixAtoms([0]), FixCartesian([n - 1], [True, False, False])])
    results = {
        "energy": 1e3 * rng.normal(),
        "forces": rng.normal(size=(n, 3)),
        "charges": rng.normal(size=n),
        "magmom": 0.0,
        "dipole": rng.normal(size=3),
    }
    if atoms.pbc.all():
        results["stress"] = 1e-3 * rng.normal(size=6)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def test_labelled_structures_survive_extxyz():
    rng = np.random.default_rng(0)
    frames = [labelled(number, rng) for number in range(500)]
    file = io.StringIO()
    ase.io.write(file, frames, format="extxyz")
    file.seek(0)
    again = ase.io.read(file, ":", format="extxyz")
    hashes = [atoms_hash(atoms, "all") for atoms in frames]
    assert [atoms_hash(atoms, "all") for atoms in again] == hashes
    assert len(set(hashes)) == 500


def test_lengths_count_to_1e_8():
    atoms, moved = structure(), structure()
    moved.positions += 1e-10
    moved.cell.array[0, 0] += 1e-10
    assert same(atoms, moved, ())
    moved.positions[1, 2] += 2e-8
    assert not same(atoms, moved, ())
    cell = structure()
    cell.cell.array[0, 0] += 2e-8
    assert not same(atoms, cell, ())


def test_what_always_counts():
    atoms = structure()
    for name, value in [("pbc", [True, True, False]), ("numbers", [29, 29, 29, 47])]:
        other = structure()
        setattr(other, name, value)
        assert not same(atoms, other, ())
    assert not same(atoms, atoms[[1, 0, 2, 3]], ())
    assert not same(atoms, atoms[:3], ())


def test_minus_zero_is_zero():
    atoms, other = structure(x=0.0), structure(x=-0.0)
    atoms.positions[0], other.positions[0] = 0.0, -0.0
    atoms.set_momenta(np.zeros((4, 3)))
    other.set_momenta(np.full((4, 3), -0.0))
    assert same(atoms, other)


def test_nan_positions_are_refused():
    atoms = structure()
    atoms.positions[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"positions of a structure must be .* rows \[2\]"):
        atoms_hash(atoms, ())
    atoms = structure()
    atoms.cell.array[2, 1] = np.nan
    with pytest.raises(ValueError, match="cell of a structure must be numbers"):
        atoms_hash(atoms, ())


def test_huge_positions_count():
    atoms, other = structure(), structure()
    atoms.positions[0, 0], other.positions[0, 0] = 1e15, 1e15 + 1
    assert same(atoms, atoms.copy(), ())
    assert not same(atoms, other, ())
    other.positions[0, 0] = np.inf
    assert not same(atoms, other, ())


def test_only_what_is_declared_counts():
    atoms, other = structure(charge=0, name="a"), structure(charge=0, name="b")
    other.set_tags(range(4))
    declared = ("info.charge", "initial_magmoms", "info.spin")
    assert same(atoms, other, declared)
    assert not same(atoms, other, "all")
    other.set_initial_magnetic_moments([1.0] * 4)
    assert not same(atoms, other, declared)
    charged = structure(charge=1)
    assert not same(atoms, charged, declared)
    assert same(atoms, charged, ())
    bare = bulk("Cu", cubic=True)
    assert atoms_hash(bare, "all") == atoms_hash(bare, ()) == atoms_hash(bare, declared)


def test_results_constraints_and_celldisp_count_if_read():
    atoms = structure()
    for name, change in [
        ("results", lambda a: setattr(a, "calc", SinglePointCalculator(a, energy=1.0))),
        ("results.energy", lambda a: setattr(a, "calc", SinglePointCalculator(a, energy=1.0))),
        ("constraints", lambda a: a.set_constraint(FixAtoms([0]))),
        ("constraints", lambda a: a.set_constraint(FixBondLength(0, 1))),
        ("celldisp", lambda a: a.set_celldisp([1.0, 0.0, 0.0])),
        ("momenta", lambda a: a.set_momenta(np.ones((4, 3)))),
    ]:
        other = structure()
        change(other)
        assert same(atoms, other, ("info.charge", "results.forces"))
        assert not same(atoms, other, (name,))
        assert not same(atoms, other)


def test_equal_ways_to_fix_atoms():
    atoms, other = structure(), structure()
    atoms.set_constraint([FixAtoms([2]), FixAtoms(mask=[True, False, False, False])])
    other.set_constraint(FixCartesian([0, 2], [True, True, True]))
    assert same(atoms, other)
    other.set_constraint(FixCartesian([0, 2], [True, True, False]))
    assert not same(atoms, other)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (3, np.int32(3)),
        (1.5, np.float64(1.5)),
        (True, np.bool_(True)),
        ([1, 2], np.array([1, 2])),
        ((1.0, 2.0), np.array([1.0, 2.0])),
        ([3], 3),
        (1.0, 1.0 + 1e-11),
        ({"a": 1, "b": [1, 2]}, {"b": np.array([1, 2]), "a": np.int64(1)}),
        (["a", "b"], np.array(["a", "b"])),
    ],
)
def test_equal_info(first, second):
    assert same(structure(x=first), structure(x=second))


def test_other_info():
    values = [
        1, 1.0, True, "1", None, [1, 2], [1.0, 2.0], [2, 1], [[1, 2]], [True, False], "a", ["a"],
        ["a", "b"], ["ab"], {}, {"a": 1}, {"a": 2}, {"a": None}, 1e-9, 2e-9, [1e-9, 1], [2e-9, 1],
        float("nan"), float("inf"), [float("nan"), 1.0], 1 + 2j, b"a", [], 1e300, [1e300, 1],
    ]  # fmt: skip
    hashes = {atoms_hash(structure(x=value), "all") for value in values}
    assert len(hashes) == len(values)
    assert not same(structure(x=1), structure(y=1))
    assert not same(structure(), structure(x=None))


def test_the_order_of_info_does_not_count():
    assert same(structure(a=1, b=2), structure(b=2, a=1))


def test_objects_in_info_need_a_key():
    class Thing:
        pass

    with pytest.raises(NotCacheableError, match=r"info\['x'\].*Thing.*__cache_key__"):
        atoms_hash(structure(x=Thing()), "all")
    atoms_hash(structure(x=Thing()), ())
    Thing.__cache_key__ = lambda self: [1]
    first = atoms_hash(structure(x=Thing()), "all")
    Thing.__cache_key__ = lambda self: [2]
    assert atoms_hash(structure(x=Thing()), "all") != first


def test_a_structure_is_not_modified():
    atoms = labelled(0, np.random.default_rng(1))
    before = atoms.copy()
    atoms_hash(atoms, "all")
    assert np.array_equal(atoms.positions, before.positions)
    assert set(atoms.arrays) == set(before.arrays)
    assert atoms.calc is not None
