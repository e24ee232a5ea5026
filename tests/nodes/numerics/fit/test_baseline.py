import dataclasses

import jax
import numpy as np

from nodes.numerics.fit.baseline import force_scales, reference_energies, set_baseline
from nodes.numerics.fit.packing import pack
from nodes.numerics.structures import Structure


def molecule(numbers, energy=None, forces=None):
    positions = np.arange(3 * len(numbers)).reshape(-1, 3) * 1.0
    return Structure(numbers, positions, np.zeros((3, 3)), False, energy, forces)


def test_exact_references_are_recovered():
    true = {1: -13.6, 6: -1036.2, 8: -2041.8}
    molecules = [[1, 1], [1, 1, 8], [6, 8], [6, 1, 1, 1, 1], [6, 8, 8]]
    structures = [molecule(m, sum(true[z] for z in m)) for m in molecules]
    np.testing.assert_allclose(
        reference_energies(structures, (1, 6, 8)), [-13.6, -1036.2, -2041.8], rtol=1e-9
    )


def test_one_composition_still_gives_its_energy():
    structures = [molecule([1, 1, 8], -2069.0), molecule([8, 1, 1], -2069.0)]
    reference = reference_energies(structures, (1, 6, 8))
    assert np.isclose(2 * reference[0] + reference[2], -2069.0)


def test_no_labels_give_neutral_values():
    assert not reference_energies([molecule([1])], (1,)).any()
    np.testing.assert_array_equal(force_scales([molecule([1])], (1,)), [1.0])


def test_force_scale_is_the_rms_component_of_each_element():
    forces = np.array([[3.0, 0, 0], [0, 4.0, 0], [1.0, 1.0, 1.0]])
    scales = force_scales([molecule([1, 1, 8], forces=forces)], (1, 6, 8))
    overall = np.sqrt((9 + 16 + 3) / 9)
    np.testing.assert_allclose(scales, [np.sqrt(25 / 6), overall, 1.0])


def test_features_are_normalised_over_real_atoms(model, train):
    graphs = pack(train, model.config)
    params = set_baseline(model, model.init(jax.random.key(0)), train, graphs)
    constants = params["constants"]
    features = np.concatenate(
        [np.asarray(model.features(params, model.graph(s)), np.float64) for s in train[::10]]
        + [np.asarray(model.features(params, model.graph(s)), np.float64) for s in train[-1:]]
    )
    assert features.shape[1] == model.n_features
    few = [*train[::10], train[-1]]
    again = set_baseline(model, model.init(jax.random.key(0)), few, pack(few, model.config))
    expected = again["constants"]
    np.testing.assert_allclose(
        expected["feature_mean"], features.mean(axis=0), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(expected["feature_scale"], features.std(axis=0), rtol=1e-3)
    assert constants["reference"].dtype == np.float64
    bare = [dataclasses.replace(s, energy=None) for s in train]
    without = set_baseline(model, model.init(jax.random.key(0)), bare, graphs)
    assert not without["constants"]["reference"].any()
