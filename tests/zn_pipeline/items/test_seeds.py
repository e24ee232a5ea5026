"""Seeds that belong to structures."""

import zn_pipeline as zn


def test_a_seed_stays_with_its_structure(structures):
    seeds = zn.structure_seeds(1, structures)
    assert zn.structure_seeds(1, structures[::-1]) == seeds[::-1]
    assert zn.structure_seeds(1, structures[3:]) == seeds[3:]
    assert zn.structure_seeds(2, structures) != seeds


def test_equal_structures_differ(structures):
    first, second = zn.structure_seeds(1, [structures[0], structures[0]])
    assert first != second
    assert zn.structure_seeds(1, structures)[0] == first
