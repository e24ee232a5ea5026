import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.fit.baseline import set_scale_shift
from nodes.numerics.fit.config import FitConfig, Transfer
from nodes.numerics.fit.scale_shift import ElementEnergies, GlobalScale
from nodes.numerics.fit.transfer import transfer
from nodes.numerics.potentials.readout import Readout

from .conftest import small_model

REFERENCE = np.array([-1.0, -2.0])


@pytest.fixture(scope="module")
def source(model, params):
    """A trained model of Cu and Ag."""
    weights = jax.tree.map(lambda leaf: leaf + 0.25, params["weights"])
    constants = {**params["constants"], "reference": REFERENCE}
    constants["feature_mean"] = constants["feature_mean"] + 0.5
    return {"weights": weights, "constants": constants}


def moved(source, model, structures, to=None, shift=None, **rules):
    """What ``to`` starts from."""
    to = to or model
    config = FitConfig(transfer=Transfer(**rules), scale=GlobalScale(7.0))
    if shift is not None:
        config = dataclasses.replace(config, shift=shift)
    fresh = to.init(jax.random.key(5))
    fresh = set_scale_shift(to, fresh, structures, config.shift, config.scale)
    return fresh, *transfer(to, fresh, model, source, structures, config)


def test_everything_is_taken_by_default(source, model, train):
    _, found, kept = moved(source, model, train)
    assert kept
    jax.tree.map(np.testing.assert_array_equal, found["weights"], source["weights"])
    jax.tree.map(np.testing.assert_array_equal, found["constants"], source["constants"])


def test_layers_are_loaded_and_reset_by_pattern(source, model, train):
    fresh, found, kept = moved(
        source, model, train, load=("representation", "layers"), reset=("layers.1",)
    )
    assert kept
    np.testing.assert_array_equal(
        found["weights"]["layers"][0]["w"], source["weights"]["layers"][0]["w"]
    )
    for name in ("w", "b"):
        np.testing.assert_array_equal(
            found["weights"]["layers"][1][name], fresh["weights"]["layers"][1][name]
        )
    np.testing.assert_array_equal(found["weights"]["scale"], 7.0)
    _, found, kept = moved(source, model, train, reset=("representation.pairs",))
    assert not kept
    np.testing.assert_array_equal(found["constants"]["feature_mean"], 0.0)


def test_scales_can_be_found_anew(source, model, train):
    _, found, _ = moved(source, model, train, refit_scale=True)
    np.testing.assert_array_equal(found["weights"]["scale"], 7.0)


def test_other_elements_take_over_what_is_in_common(source, model, train):
    gold = [dataclasses.replace(s, numbers=np.where(s.numbers == 47, 79, 29)) for s in train[:4]]
    larger = small_model((28, 29, 79))
    fresh, found, kept = moved(
        source, model, gold, larger, shift=ElementEnergies({28: 1, 29: 2, 79: 3})
    )
    assert kept
    pairs, theirs = (
        found["weights"]["representation"]["pairs"],
        source["weights"]["representation"]["pairs"],
    )
    assert pairs[1, 1] == theirs[0, 0]
    np.testing.assert_array_equal(pairs[0], fresh["weights"]["representation"]["pairs"][0])
    np.testing.assert_array_equal(found["weights"]["scale"], [7.0, 1.25, 7.0])
    np.testing.assert_array_equal(found["constants"]["reference"], [1.0, -1.0, 3.0])


def test_refitted_references_leave_no_mean_error(source, model, train):
    _, found, _ = moved(source, model, train, refit_shift=True)
    predicted = [p.energy for p in model.predict_many(found, train)]
    counts = np.array([[np.sum(s.numbers == z) for z in (29, 47)] for s in train])
    errors = np.array([s.energy for s in train]) - predicted
    np.testing.assert_allclose(counts.T @ errors, 0.0, atol=1e-3)
    before = [s.energy for s in train] - np.array(
        [p.energy for p in model.predict_many(source, train)]
    )
    assert np.abs(counts.T @ before).max() > 1.0


def test_what_does_not_fit_is_refused(source, model, train):
    wider = small_model(readout=Readout(hidden=(9,)))
    with pytest.raises(
        ValueError, match=r"layers.0.b must have the shape .* \(8,\), received \(9,\)"
    ):
        moved(source, model, train, wider)
    fresh, found, _ = moved(source, model, train, wider, reset=("layers",))
    np.testing.assert_array_equal(
        found["weights"]["layers"][0]["w"], fresh["weights"]["layers"][0]["w"]
    )
    with pytest.raises(ValueError, match=r"load must name parameters among .*'embedding'"):
        moved(source, model, train, load=("embedding",))
