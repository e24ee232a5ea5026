import dataclasses
import json

import jax
import numpy as np
import pytest

from nodes.numerics.potentials import (
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Precision,
    Readout,
    Zbl,
    load_model,
    save_model,
)

CONFIG = ModelConfig(
    elements=(8, 1),
    representation=GaussianMoments(n_contractions=2),
    readout=Readout(hidden=(4,)),
    n_members=2,
    corrections=(Zbl(),),
)


def saved(path, seed=0, config=CONFIG):
    model = EnergyModel(config)
    params = model.init(jax.random.key(seed))
    params["constants"]["reference"] = np.array([-13.6 / 3, -2041.84 / 7])
    save_model(path, model, params)
    return model, params


def test_round_trip_keeps_every_bit(tmp_path):
    model, params = saved(tmp_path / "model")
    again, loaded = load_model(tmp_path / "model")
    assert again == model
    assert loaded["constants"]["reference"].dtype == np.float64
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "weights.npz"]


def test_a_model_in_float64_comes_back_in_float64(tmp_path):
    model, params = saved(
        tmp_path, config=dataclasses.replace(CONFIG, precision=Precision.double())
    )
    again, loaded = load_model(tmp_path)
    assert again == model
    assert loaded["weights"]["layers"][0]["w"].dtype == np.float64
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def test_files_of_two_saves_are_refused(tmp_path):
    saved(tmp_path / "a", seed=0)
    saved(tmp_path / "b", seed=1)
    (tmp_path / "a" / "weights.npz").replace(tmp_path / "b" / "weights.npz")
    with pytest.raises(ValueError, match="must be of one save, received different digests"):
        load_model(tmp_path / "b")


def test_a_model_in_other_units_is_refused(tmp_path):
    saved(tmp_path, seed=0)
    record = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(record | {"format": 2}))
    with pytest.raises(ValueError, match="a model of format 3, received format 2; train it again"):
        load_model(tmp_path)


def test_missing_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        load_model(tmp_path)
