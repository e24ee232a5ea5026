import ase
import ase.build
import numpy as np

from nodes.interfaces import HasFeatures
from nodes.selection.features import DistanceHistogram


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
