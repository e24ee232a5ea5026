import ase.build
import jax
import numpy as np
import pytest

from nodes.atoms import structure_of
from nodes.numerics.fit.baseline import normalise_features, set_scale_shift
from nodes.numerics.fit.packing import pack
from nodes.numerics.fit.scale_shift import ForceRms, GlobalScale, Regression

from .conftest import small_model


def test_reference_energies_and_scales_are_filled_in(model, params, train):
    params = set_scale_shift(model, params, train, Regression(), GlobalScale(0.5))
    reference = params["constants"]["reference"]
    assert reference.dtype == np.float64
    np.testing.assert_array_equal(reference, Regression()(train, (29, 47)))
    np.testing.assert_array_equal(params["weights"]["scale"], [0.5, 0.5])
    params = set_scale_shift(model, params, train, Regression(), ForceRms())
    assert params["weights"]["scale"][0] == pytest.approx(ForceRms()(train, (29, 47))[0])


@pytest.mark.parametrize("ensemble", ["shallow", "full"])
def test_features_get_zero_mean_and_one_scale_over_real_atoms(mixed, ensemble):
    model = small_model(ensemble=ensemble)
    few = [mixed[0], mixed[1], mixed[-1]]
    params = model.init(jax.random.key(0))
    data = pack(model, few, np.zeros(2), max_shapes=2)
    constants = normalise_features(model, params, data)["constants"]
    compute = jax.jit(model.features)
    features = [np.asarray(compute(params, model.graph(s)), np.float64) for s in few]
    features = np.concatenate(features, axis=-2)
    mean, std = features.mean(axis=-2), features.std(axis=-2)
    assert constants["feature_mean"].shape == ((2, 5) if ensemble == "full" else (5,))
    np.testing.assert_allclose(constants["feature_mean"], mean, rtol=1e-3, atol=1e-5)
    scale = 3.0 * np.sqrt(np.mean(std**2, axis=-1, keepdims=True))
    scale = np.broadcast_to(scale, std.shape)
    np.testing.assert_allclose(constants["feature_scale"], scale, rtol=1e-3)


def test_atoms_that_are_all_alike_are_not_blown_up(model, params, train):
    one = ase.build.bulk("Cu")
    data = pack(model, [structure_of(one)], np.zeros(2))
    constants = normalise_features(model, params, data)["constants"]
    size = np.sqrt(np.mean(np.square(constants["feature_mean"])))
    np.testing.assert_allclose(constants["feature_scale"], 3e-3 * size, rtol=1e-3)
