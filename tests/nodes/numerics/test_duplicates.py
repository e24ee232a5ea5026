import ase.build
import numpy as np
import pytest

from nodes.numerics.duplicates import duplicate_pairs, same_atoms
from nodes.numerics.structures import Structure


def structure(atoms):
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)


def alloy(seed=0, sigma=0.1):
    rng = np.random.default_rng(seed)
    atoms = ase.build.bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.numbers[:3] = 47
    atoms.positions += sigma * rng.normal(size=(len(atoms), 3))
    return atoms


def moved(atoms):
    """The same structure elsewhere: turned, shifted, wrapped, renumbered, in another cell."""
    other = atoms.copy()
    other.set_cell(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]) @ other.cell.array)
    other.rotate(33.0, (1.0, 2.0, 3.0), rotate_cell=True)
    other.translate([0.3, -7.0, 2.0])
    other.wrap()
    return other[np.random.default_rng(1).permutation(len(other))]


def test_a_structure_is_found_again_wherever_it_lies():
    first, second = alloy(0), alloy(1)
    frames = [first, second, moved(first), alloy(2), moved(moved(second)), first.copy()]
    assert duplicate_pairs([structure(frame) for frame in frames]) == [
        (0, 2),
        (0, 5),
        (1, 4),
        (2, 5),
    ]


@pytest.mark.parametrize("change", ["atom", "volume", "element", "size", "molecule"])
def test_a_small_change_makes_another_structure(change):
    first, second = alloy(), moved(alloy())
    if change == "atom":
        second.positions[0, 0] += 1e-3
    elif change == "volume":
        second.set_cell(second.cell * 1.0001, scale_atoms=True)
    elif change == "element":
        second.numbers[[0, -1]] = 29, 28
    elif change == "size":
        second = second.repeat((1, 1, 2))
    else:
        second.pbc = False
    assert duplicate_pairs([structure(first), structure(second)]) == []


def test_text_of_eight_decimals_is_no_change():
    first, second = alloy(), moved(alloy())
    second.positions = np.round(second.positions, 8)
    assert duplicate_pairs([structure(first), structure(second)]) == [(0, 1)]


def test_molecules_and_single_atoms_have_duplicates_too():
    water, atom = ase.build.molecule("H2O"), ase.Atoms("H")
    turned = water.copy()
    turned.rotate(90.0, "x")
    shifted = ase.Atoms("H", positions=[[1.0, 2.0, 3.0]])
    frames = [water, atom, turned, shifted, ase.Atoms("O")]
    assert duplicate_pairs([structure(frame) for frame in frames]) == [(0, 2), (1, 3)]


def test_same_atoms_are_at_the_same_places_in_the_same_order():
    first = alloy()
    rounded, shifted, swapped = first.copy(), first.copy(), first[::-1]
    rounded.positions = np.round(rounded.positions, 8)
    shifted.translate([0.01, 0.0, 0.0])
    stretched = first.copy()
    stretched.set_cell(stretched.cell * 1.01)
    molecule = first.copy()
    molecule.pbc = False
    frames = [rounded, shifted, swapped, stretched, molecule, first]
    known = same_atoms([structure(f) for f in frames], [structure(first), structure(alloy(5))])
    assert known.tolist() == [True, False, False, False, False, True]
    assert same_atoms([structure(first)], []).tolist() == [False]
    assert same_atoms([], [structure(first)]).tolist() == []
