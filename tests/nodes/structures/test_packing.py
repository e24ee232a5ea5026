import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.structures.conformers import BuildConformers
from nodes.structures.packing import PackBox


@pytest.fixture(scope="module")
def water():
    return [ase.build.molecule("H2O")]


@pytest.fixture(scope="module")
def butanol():
    node = BuildConformers(smiles="CCCCO", n_conformers=4)
    node.run()
    return node.frames


def packed(**fields):
    node = PackBox(**fields)
    node.run()
    return node.frames


def smallest_distance_between_molecules(box, sizes):
    owner = np.repeat(np.arange(len(sizes)), sizes)
    distances = box.get_all_distances(mic=True)
    return distances[owner[:, None] != owner[None, :]].min()


def test_density_gives_the_box(water):
    (box,) = packed(molecules=[water], counts=[32], density_g_per_cm3=0.997)
    volume = 32 * 18.015 / 6.02214076e23 / 0.997 * 1e24
    assert box.get_volume() == pytest.approx(volume, rel=1e-3)
    assert box.pbc.all()
    assert box.cell.angles().tolist() == [90.0, 90.0, 90.0]


def test_tolerance_holds_across_the_faces_of_the_box(water):
    (box,) = packed(molecules=[water], counts=[60], density_g_per_cm3=1.0, tolerance_angstrom=2.0)
    assert smallest_distance_between_molecules(box, [3] * 60) > 1.95


def test_molecules_stay_whole_and_species_keep_their_order(water, butanol):
    (box,) = packed(molecules=[water, butanol], counts=[5, 3], box_length_angstrom=14.0)
    assert box.get_chemical_formula() == "C12H40O8"
    assert str(box[:3].symbols) == str(water[0].symbols)
    reference = water[0].get_all_distances()
    for start in range(0, 15, 3):
        found = box[start : start + 3].get_all_distances(mic=False)
        np.testing.assert_allclose(found, reference, atol=1e-4)
    shapes = [frame.get_all_distances() for frame in butanol]
    for start in range(15, len(box), 15):
        found = box[start : start + 15].get_all_distances(mic=False)
        assert min(np.abs(found - shape).max() for shape in shapes) < 1e-4


def test_boxes_differ_though_there_is_one_conformer(water):
    first, second = packed(molecules=[water], counts=[8], box_length_angstrom=9.0, n_boxes=2)
    assert np.abs(first.positions - second.positions).max() > 0.1


def test_the_seed_reaches_packmol_and_the_choice_of_conformers(butanol):
    np.random.seed(0)  # noqa: NPY002
    fields = {"molecules": [butanol], "counts": [3], "box_length_angstrom": 12.0}
    first, again, other = (packed(**fields, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.1


def test_every_conformer_is_used(butanol):
    (box,) = packed(molecules=[butanol], counts=[4], box_length_angstrom=14.0)
    shapes = [frame.get_all_distances() for frame in butanol]
    used = set()
    for start in range(0, 60, 15):
        found = box[start : start + 15].get_all_distances()
        used.add(int(np.argmin([np.abs(found - shape).max() for shape in shapes])))
    assert used == {0, 1, 2, 3}


def test_input_molecules_are_not_modified(water):
    before = water[0].copy()
    packed(molecules=[water], counts=[2], box_length_angstrom=8.0)
    assert water[0] == before


def test_a_box_that_is_too_full_is_refused(water):
    with pytest.raises(ValueError, match=r"2 molecules must fit into a box of 2.500 Angstrom"):
        packed(molecules=[water], counts=[2], box_length_angstrom=2.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"counts": [1, 2], "box_length_angstrom": 9.0}, "received 2 counts and conformers"),
        ({"counts": [0], "box_length_angstrom": 9.0}, "counts must be 0 or more"),
        ({"counts": [1]}, "exactly one of density_g_per_cm3 and box_length_angstrom"),
        (
            {"counts": [1], "box_length_angstrom": 9.0, "density_g_per_cm3": 1.0},
            "received 1.0 and 9.0",
        ),
        ({"counts": [1], "density_g_per_cm3": -1.0}, "received -1.0 and None"),
        ({"counts": [1], "box_length_angstrom": 9.0, "n_boxes": 0}, "n_boxes must be at least 1"),
    ],
)
def test_unusable_input_is_refused(water, fields, message):
    with pytest.raises(ValueError, match=message):
        packed(molecules=[water], **fields)


def test_the_node_keeps_the_contract(water):
    zn.testing.check_node(PackBox, molecules=[water], counts=[4], box_length_angstrom=8.0)
