import numpy as np
import pytest
from ase.data import covalent_radii

import zn_pipeline as zn
from nodes.structures.dimers import BuildDimers, BuildIsolatedAtoms


def built(node):
    node.run()
    return node.frames


def test_all_pairs_over_the_range_of_their_radii():
    frames = built(BuildDimers(elements=["H", "O"], n_steps=5))
    assert [frame.info["dimer"] for frame in frames] == ["H-H"] * 5 + ["H-O"] * 5 + ["O-O"] * 5
    lengths = np.array([frame.get_distance(0, 1) for frame in frames]).reshape(3, 5)
    sums = np.array([2 * covalent_radii[1], covalent_radii[1] + covalent_radii[8], 2 * 0.66])
    np.testing.assert_allclose(lengths[:, 0], 0.65 * sums)
    np.testing.assert_allclose(lengths[:, -1], 2.5 * sums)
    np.testing.assert_allclose(np.diff(lengths, n=2), 0, atol=1e-12)
    assert frames[3].info["bond_length_angstrom"] == pytest.approx(lengths[0, 3])
    assert not frames[0].pbc.any()


def test_bond_lengths_can_be_given():
    frames = built(BuildDimers(elements=["Cu"], bond_lengths_angstrom=[2.5, 2.0]))
    assert [frame.get_distance(0, 1) for frame in frames] == pytest.approx([2.0, 2.5])


def test_a_box_is_periodic_and_the_pair_in_its_middle():
    (dimer,) = built(BuildDimers(elements=["H"], bond_lengths_angstrom=[1.0], box_angstrom=8.0))
    assert dimer.pbc.all()
    assert dimer.cell.lengths().tolist() == [8.0] * 3
    np.testing.assert_allclose(dimer.positions.mean(axis=0), 4.0)


def test_isolated_atoms_have_their_ground_state():
    frames = built(BuildIsolatedAtoms(elements=["H", "O", "Cr", "Ne"], box_angstrom=10.0))
    assert [frame.info["multiplicity"] for frame in frames] == [2, 3, 7, 1]
    assert [frame.get_initial_magnetic_moments()[0] for frame in frames] == [1, 2, 6, 0]
    assert all(frame.pbc.all() and len(frame) == 1 for frame in frames)
    (bare,) = built(BuildIsolatedAtoms(elements=["O"], spin=False))
    assert not bare.has("initial_magmoms")
    assert "multiplicity" not in bare.info


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match=r"BuildDimers\.elements must be chemical symbols"):
        built(BuildDimers(elements=["Xx"]))
    with pytest.raises(ValueError, match=r"BuildDimers\.factor_range must be two positive"):
        built(BuildDimers(elements=["H"], factor_range=(2.0, 1.0)))
    with pytest.raises(ValueError, match=r"BuildDimers\.bond_lengths_angstrom must hold positive"):
        built(BuildDimers(elements=["H"], bond_lengths_angstrom=[0.0]))
    with pytest.raises(ValueError, match=r"BuildDimers\.box_angstrom must be more than twice"):
        built(BuildDimers(elements=["Cs"], box_angstrom=12.0))
    with pytest.raises(ValueError, match=r"BuildIsolatedAtoms\.box_angstrom must be positive"):
        built(BuildIsolatedAtoms(elements=["H"], box_angstrom=0.0))
    with pytest.raises(ValueError, match=r"numbers must be between 1 and 103"):
        built(BuildIsolatedAtoms(elements=["Og"]))


def test_the_nodes_keep_the_contract():
    zn.testing.check_node(BuildDimers, elements=["H", "O"], n_steps=3, box_angstrom=20.0)
    zn.testing.check_node(BuildIsolatedAtoms, elements=["H", "O"])
