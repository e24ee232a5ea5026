import sys

import ase
import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.interfaces import HasFeatures
from nodes.selection.features import DistanceHistogram, GaussianMoments, StoredFeatures


def test_features_have_one_row_per_structure():
    frames = [ase.build.molecule(name) for name in ("H2O", "CH3CH2OH", "H")]
    spec = DistanceHistogram(n_bins=8)
    assert isinstance(spec, HasFeatures)
    features = spec.features(frames)
    assert features.shape == (3, 8)
    assert (features[2] == 0).all()
    assert spec.features([]).shape == (0, 8)


def test_features_do_not_change_under_rotation_translation_and_permutation():
    molecule = ase.build.molecule("CH3CH2OH")
    moved = molecule[np.random.default_rng(0).permutation(len(molecule))]
    moved.rotate(40, (1, 2, 3))
    moved.translate([1.0, -2.0, 0.5])
    first, second = DistanceHistogram().features([molecule, moved])
    np.testing.assert_allclose(first, second, atol=1e-10)


def test_features_do_not_change_with_the_choice_of_the_periodic_cell():
    crystal = ase.build.bulk("Cu")
    first, second = DistanceHistogram().features([crystal, crystal.repeat(2)])
    np.testing.assert_allclose(first, second, atol=1e-10)


def test_features_have_no_step_where_a_pair_crosses_the_cutoff():
    pair = ase.Atoms("H2", positions=[[0, 0, 0], [3.9999, 0, 0]])
    farther = ase.Atoms("H2", positions=[[0, 0, 0], [4.0001, 0, 0]])
    first, second = DistanceHistogram(cutoff_angstrom=4.0).features([pair, farther])
    np.testing.assert_allclose(first, second, atol=1e-6)


MOMENTS = GaussianMoments(elements=("H", "C", "O"), n_radial=2)


def test_a_structure_has_the_mean_over_its_atoms():
    frames = [ase.build.molecule(name) for name in ("H2O", "CH3CH2OH")]
    spec = DistanceHistogram(n_bins=8)
    means = [atoms.mean(axis=0) for atoms in spec.atom_features(frames)]
    np.testing.assert_allclose(spec.features(frames), means)
    plain = GaussianMoments(elements=("H", "C", "O"), n_radial=2, normalised=False)
    for row, atoms, frame in zip(
        plain.features(frames), plain.atom_features(frames), frames, strict=True
    ):
        blocks = [atoms[frame.symbols == symbol].sum(axis=0) for symbol in plain.elements]
        np.testing.assert_allclose(row, np.concatenate(blocks) / len(frame))


def test_moments_are_invariant_and_do_not_depend_on_other_structures():
    molecule = ase.build.molecule("CH3CH2OH")
    moved = molecule[np.random.default_rng(0).permutation(len(molecule))]
    moved.rotate(40, (1, 2, 3))
    moved.translate([1.0, -2.0, 0.5])
    water = ase.build.molecule("H2O")
    features = MOMENTS.features([molecule, water, moved])
    np.testing.assert_allclose(features[0], features[2], atol=1e-12)
    np.testing.assert_array_equal(features[1], MOMENTS.features([water])[0])
    crystal = GaussianMoments(elements=("Cu",))
    copper = ase.build.bulk("Cu")
    first, second = crystal.features([copper, copper.repeat(2)])
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_normalised_rows_have_length_one_but_for_isolated_atoms():
    frames = [ase.build.molecule("H2O"), ase.Atoms("O")]
    np.testing.assert_allclose(np.linalg.norm(MOMENTS.features(frames), axis=1), [1.0, 0.0])
    lengths = [np.linalg.norm(atoms, axis=1) for atoms in MOMENTS.atom_features(frames)]
    np.testing.assert_allclose(np.concatenate(lengths), [1.0, 1.0, 1.0, 0.0])


def test_moments_refuse_unknown_elements_and_settings():
    with pytest.raises(ValueError, match=r"only the elements \['H', 'C', 'O'\], received \['Cu'\]"):
        MOMENTS.features([ase.build.bulk("Cu")])
    with pytest.raises(ValueError, match=r"distinct chemical symbols, received \['H', 'H'\]"):
        GaussianMoments(elements=("H", "H"))
    with pytest.raises(ValueError, match=r"max_rank in \[0, 3\], received 5.0, 4 and 4"):
        GaussianMoments(elements=("H",), max_rank=4)


def test_stored_features_come_from_info_and_arrays():
    first, second = ase.Atoms("H2"), ase.Atoms("H2")
    for frame in (first, second):
        frame.arrays["soap"] = np.array([[1.0, 2.0], [3.0, 6.0]])
    second.info["soap"] = [7.0, 8.0]
    spec = StoredFeatures("soap")
    assert spec.features([first, second]).tolist() == [[2.0, 4.0], [7.0, 8.0]]
    assert spec.atom_features([first])[0].tolist() == [[1.0, 2.0], [3.0, 6.0]]
    with pytest.raises(ValueError, match="must carry features named 'soap'"):
        spec.features([ase.Atoms("H2")])


def test_moments_name_the_extra_when_jax_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(zn.MissingExtraError, match=r'jax must .* "zn-pipeline\[jax\]"'):
        MOMENTS.features([ase.build.molecule("H2O")])
