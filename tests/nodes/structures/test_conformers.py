import numpy as np
import pytest

import zn_pipeline as zn
from nodes.structures.conformers import BuildConformers


def build(**fields):
    node = BuildConformers(**fields)
    node.run()
    return node.frames


def test_ethanol_has_its_atoms_and_sensible_bonds():
    frames = build(smiles="CCO", n_conformers=3)
    assert [frame.get_chemical_formula() for frame in frames] == ["C2H6O"] * 3
    for frame in frames:
        assert frame.get_distance(0, 1) == pytest.approx(1.51, abs=0.06)
        assert frame.get_distance(1, 2) == pytest.approx(1.42, abs=0.06)
        np.testing.assert_allclose(frame.positions.mean(axis=0), 0.0, atol=1e-12)
        assert not frame.pbc.any()


@pytest.mark.parametrize("seed", [0, 1])
def test_conformers_of_one_seed_differ_in_shape(seed):
    shapes = [f.get_all_distances() for f in build(smiles="CCCCO", n_conformers=4, seed=seed)]
    for k, shape in enumerate(shapes):
        assert all(np.abs(shape - other).max() > 0.1 for other in shapes[:k])


def test_conformers_follow_the_seed():
    first = build(smiles="CCCCO", n_conformers=2, seed=1)
    again = build(smiles="CCCCO", n_conformers=2, seed=1)
    other = build(smiles="CCCCO", n_conformers=2, seed=2)
    np.testing.assert_array_equal(first[0].positions, again[0].positions)
    assert np.abs(first[0].positions - other[0].positions).max() > 0.1
    for frame in other:
        assert np.abs(first[1].get_all_distances() - frame.get_all_distances()).max() > 0.1


@pytest.mark.parametrize("force_field", ["uff", "mmff"])
def test_a_force_field_brings_conformers_to_a_common_bond_length(force_field):
    frames = build(smiles="CC", n_conformers=4, force_field=force_field)
    assert np.ptp([frame.get_distance(0, 1) for frame in frames]) < 1e-3


def test_formal_charges_become_initial_charges():
    (ammonium,) = build(smiles="[NH4+]")
    assert ammonium.get_initial_charges().sum() == 1.0
    assert "initial_charges" not in build(smiles="O")[0].arrays


def test_many_molecules_stand_in_order_and_by_themselves():
    node = BuildConformers(smiles=["CCO", "O", "CCCCO"], n_conformers=2, seed=3)
    node.run()
    assert [frame.info["smiles"] for frame in node.frames] == ["CCO"] * 2 + ["O"] * 2 + [
        "CCCCO"
    ] * 2
    assert [len(group) for group in node.molecules] == [2, 2, 2]
    assert node.molecules[1][1].get_chemical_formula() == "H2O"
    alone = build(smiles="CCCCO", n_conformers=2, seed=3)
    for one, other in zip(alone, node.molecules[2], strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)


def test_a_molecule_that_fails_is_left_out_and_recorded():
    node = BuildConformers(smiles=["CCO", "C1", "O"], on_error="record")
    node.run()
    assert [frame.info["smiles"] for frame in node.frames] == ["CCO", "O"]
    (failure,) = node.failures
    assert (failure["row"], failure["smiles"]) == (1, "C1")
    assert "readable SMILES" in failure["reason"]
    with pytest.raises(ValueError, match="smiles must have a molecule that can be built"):
        build(smiles=["C1"], on_error="record")


def test_unusable_input_is_refused():
    with pytest.raises(
        zn.MapFailedError, match="smiles must be a readable SMILES string, received 'C1'"
    ):
        build(smiles="C1")
    with pytest.raises(ValueError, match="n_conformers must be at least 1, received 0"):
        build(smiles="C", n_conformers=0)
    with pytest.raises(zn.MapFailedError, match=r'force_field must know every atom .* "mmff"'):
        build(smiles="C[Pt]C", force_field="mmff")


def test_the_node_keeps_the_contract():
    zn.testing.check_node(
        BuildConformers, smiles=["CCO", "C1"], n_conformers=2, force_field="mmff", on_error="record"
    )
