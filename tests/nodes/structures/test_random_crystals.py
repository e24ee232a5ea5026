import numpy as np
import pytest

import zn_pipeline as zn
from nodes.structures.random_crystals import BuildRandomCrystals

OXIDE = {"formula": "SiO2", "volume_per_atom_angstrom3": (10.0, 16.0)}


def made(**fields):
    node = BuildRandomCrystals(**fields)
    node.run()
    return list(node.frames)


def test_composition_volume_and_distances_hold():
    frames = made(
        **OXIDE,
        n_structures=20,
        formula_units=[1, 2, 3],
        min_distances_angstrom={"Si-O": 1.5, "O-O": 2.2, "Si-Si": 2.5},
    )
    least = {("O", "O"): 2.2, ("O", "Si"): 1.5, ("Si", "Si"): 2.5}
    for frame in frames:
        units = frame.info["formula_units"]
        assert frame.get_chemical_formula() == f"O{2 * units}Si{units if units > 1 else ''}"
        assert 10.0 <= frame.get_volume() / len(frame) <= 16.0
        # Images of an atom itself are seen in a repeated cell.
        large = frame.repeat(2)
        distances = large.get_all_distances(mic=True) + 100.0 * np.eye(len(large))
        for i, j in np.argwhere(distances < 2.6):
            pair = tuple(sorted((large.symbols[i], large.symbols[j])))
            assert distances[i, j] >= least[pair] - 1e-9
    assert {frame.info["formula_units"] for frame in frames} == {1, 2, 3}
    assert len({frame.info["lattice_system"] for frame in frames}) > 3


def test_other_pairs_keep_a_share_of_the_covalent_radii():
    (frame,) = made(formula="Cu", volume_per_atom_angstrom3=(12.0, 12.0), formula_units=[6])
    distances = frame.repeat(2).get_all_distances(mic=True) + 100.0 * np.eye(48)
    assert distances.min() >= 0.8 * 2 * 1.32


def test_lattice_systems_can_be_chosen():
    for frame in made(**OXIDE, n_structures=5, lattice_systems=["hexagonal"]):
        assert frame.cell.angles() == pytest.approx([90, 90, 120])
        assert frame.info["lattice_system"] == "hexagonal"


def test_a_crystal_depends_on_seed_and_number_alone():
    few, many = (made(**OXIDE, n_structures=n, seed=1) for n in (2, 3))
    other = made(**OXIDE, n_structures=2, seed=2)
    assert few == many[:2]
    assert few[0] != few[1]
    assert few[0] != other[0]


def test_the_impossible_is_refused_at_once():
    with pytest.raises(ValueError, match=r"min_distances_angstrom must leave room for all atoms"):
        made(
            formula="Cu",
            volume_per_atom_angstrom3=(11.0, 12.0),
            min_distances_angstrom={"Cu-Cu": 2.7},
        )


def test_what_is_too_hard_to_find_fails_with_a_reason():
    with pytest.raises(
        zn.MapFailedError,
        match=r"max_attempts must be enough .* received 2; the best try had 0\.[89]",
    ):
        made(
            formula="Cu",
            volume_per_atom_angstrom3=(11.0, 11.2),
            min_distances_angstrom={"Cu-Cu": 2.48},
            formula_units=[7],
            max_attempts=2,
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"formula": "Xx2"}, "formula must be a chemical formula"),
        ({"formula": ""}, "formula must be a chemical formula"),
        ({"n_structures": 0}, "n_structures must be at least 1"),
        ({"formula_units": []}, "volume_per_atom_angstrom3 must be two positive"),
        ({"volume_per_atom_angstrom3": (5.0, 4.0)}, "volume_per_atom_angstrom3 must be two"),
        ({"lattice_systems": ["round"]}, "lattice_systems must be among cubic"),
        ({"min_distances_angstrom": {"Si-C": 1.0}}, "min_distances_angstrom must have pairs"),
        ({"min_distances_angstrom": {"Si": 1.0}}, "min_distances_angstrom must have pairs"),
        ({"distance_factor": 0.0}, "min_distances_angstrom and distance_factor must be positive"),
    ],
)
def test_unusable_input_is_refused(fields, message):
    with pytest.raises(ValueError, match=rf"BuildRandomCrystals\.{message}"):
        made(**{**OXIDE, **fields})


def test_the_node_keeps_the_contract():
    zn.testing.check_node(BuildRandomCrystals, **OXIDE, n_structures=2)
