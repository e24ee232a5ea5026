"""Batches of structures of many sizes."""

import jax
import numpy as np

from nodes.numerics.potentials import Bessel, EnergyModel, GaussianMoments, ModelConfig, Readout
from nodes.numerics.potentials.prediction import batches, rounded_size
from nodes.numerics.structures import Structure

MODEL = EnergyModel(
    ModelConfig(
        elements=(1, 8),
        cutoff_angstrom=2.0,
        representation=GaussianMoments(n_radial=2, basis=Bessel(3), n_contractions=2),
        readout=Readout(hidden=(4,)),
        n_members=2,
    )
)
SIZES = [3, 20, 5, 8, 30, 4, 11]


def structures():
    rng = np.random.default_rng(0)
    boxes = [(n, rng.random((n, 3)) * 8.0) for n in SIZES]
    return [Structure([8, *[1] * (n - 1)], p, np.zeros((3, 3)), False) for n, p in boxes]


def test_sizes_are_rounded_to_few():
    assert [rounded_size(n) for n in (1, 8, 9, 13, 17, 33, 64, 65)] == [
        8,
        8,
        12,
        16,
        24,
        48,
        64,
        96,
    ]
    assert len({rounded_size(n) for n in range(1, 1000)}) < 16


def test_every_structure_is_in_one_batch_of_its_size():
    found = list(batches(MODEL, structures(), batch_size=2))
    assert sorted(row for rows, _ in found for row in rows) == list(range(len(SIZES)))
    shapes = {graph.species.shape for _, graph in found}
    assert shapes == {(2, 8), (1, 11), (1, 20), (1, 30)}


def test_predictions_come_in_order_with_all_members():
    params = MODEL.init(jax.random.key(0))
    params["constants"]["reference"] = np.array([-1.0, -100.0])
    predictions = MODEL.predict_many(params, structures(), batch_size=2)
    for prediction, n in zip(predictions, SIZES, strict=True):
        assert prediction.forces.shape == (n, 3)
        assert abs(prediction.energy + 100.0 + (n - 1)) < 50
        np.testing.assert_allclose(prediction.energies.mean(), prediction.energy, rtol=1e-12)
        np.testing.assert_allclose(prediction.energies.std(ddof=1), prediction.energy_std)
