import ase.build
import numpy as np
import pytest
from ase.constraints import FixAtoms

import zn_pipeline as zn
from nodes.structures.deformation import RattleStructures, StrainStructures


@pytest.fixture
def copper():
    return ase.build.bulk("Cu", cubic=True).repeat(3)


def made(node):
    node.run()
    return node.frames


def test_displacements_are_gaussian_of_the_given_width(copper):
    frames = made(RattleStructures(structures=[copper], stdev_angstrom=0.1, n_per_frame=50))
    noise = np.array([frame.positions - copper.positions for frame in frames]).ravel()
    assert len(frames) == 50
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert noise.mean() == pytest.approx(0.0, abs=0.005)
    # Uniform noise of this width would stop at 0.173 Angstrom.
    assert np.abs(noise).max() > 0.3
    assert np.mean(noise**4) / np.mean(noise**2) ** 2 == pytest.approx(3.0, abs=0.2)


def test_each_copy_has_its_own_stream_whatever_stands_beside_it(copper):
    one = made(RattleStructures(structures=[copper], n_per_frame=2))
    two = made(RattleStructures(structures=[copper, copper], n_per_frame=3))
    np.testing.assert_array_equal(one[0].positions, two[0].positions)
    np.testing.assert_array_equal(one[1].positions, two[1].positions)
    for k in range(6):
        for other in two[:k]:
            assert np.abs(two[k].positions - other.positions).max() > 0.01


def test_the_seed_alone_decides_the_noise(copper):
    np.random.seed(1)  # noqa: NPY002
    first = made(RattleStructures(structures=[copper], seed=1))[0]
    np.random.seed(2)  # noqa: NPY002
    again = made(RattleStructures(structures=[copper], seed=1))[0]
    other = made(RattleStructures(structures=[copper], seed=2))[0]
    np.testing.assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 0.01


def test_fixed_atoms_stay_and_the_input_is_not_modified(copper):
    copper.set_constraint(FixAtoms([0, 5]))
    before = copper.copy()
    (rattled,) = made(RattleStructures(structures=[copper]))
    assert copper == before
    moved = np.abs(rattled.positions - copper.positions).max(axis=1) > 0
    assert np.flatnonzero(~moved).tolist() == [0, 5]


def test_isotropic_strain_scales_edges_and_keeps_fractional_coordinates(copper):
    frames = made(StrainStructures(structures=[copper], strains=[-0.02, 0.0, 0.03]))
    for frame, strain in zip(frames, [-0.02, 0.0, 0.03], strict=True):
        np.testing.assert_allclose(frame.cell.array, copper.cell.array * (1 + strain))
        np.testing.assert_allclose(
            frame.get_scaled_positions(), copper.get_scaled_positions(), atol=1e-12
        )


def test_random_strain_is_symmetric_of_the_given_width(copper):
    node = StrainStructures(structures=[copper], strains=[0.0], stdev=0.02, n_per_strain=400)
    inverse = np.linalg.inv(copper.cell.array)
    strains = np.array([inverse @ frame.cell.array - np.eye(3) for frame in made(node)])
    np.testing.assert_allclose(strains, strains.transpose(0, 2, 1), atol=1e-12)
    upper = strains[:, *np.triu_indices(3)]
    np.testing.assert_allclose(upper.std(axis=0), 0.02, rtol=0.15)
    assert np.abs(np.corrcoef(upper.T) - np.eye(6)).max() < 0.2


def test_strain_moves_fixed_atoms_with_the_cell(copper):
    copper.set_constraint(FixAtoms(range(len(copper))))
    (strained,) = made(StrainStructures(structures=[copper], strains=[0.1]))
    np.testing.assert_allclose(strained.positions, 1.1 * copper.positions)
    assert len(strained.constraints) == 1


def test_unusable_input_is_refused(copper):
    with pytest.raises(ValueError, match=r"stdev_angstrom 0 or more, received 1 and -0.1"):
        made(RattleStructures(structures=[copper], stdev_angstrom=-0.1))
    with pytest.raises(ValueError, match="number of copies must be at least 1"):
        made(RattleStructures(structures=[copper], n_per_frame=0))
    with pytest.raises(ValueError, match=r"strains must be above -1, received \[-1.0\]"):
        made(StrainStructures(structures=[copper], strains=[-1.0]))
    with pytest.raises(ValueError, match="cell of three vectors, received structure 0"):
        made(StrainStructures(structures=[ase.build.molecule("H2O")]))


def test_the_nodes_keep_the_contract(copper):
    copper.set_constraint(FixAtoms([0]))
    zn.testing.check_node(RattleStructures, structures=[copper], n_per_frame=2)
    zn.testing.check_node(StrainStructures, structures=[copper], strains=[0.01], stdev=0.01)
