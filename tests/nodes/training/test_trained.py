import jax
import numpy as np
import pytest
from ase.build import bulk

from nodes.interfaces import HasCalculator, HasEnergyModel, HasFeatures, HasPredictions
from nodes.training.trained import TrainedModel


class Saved(TrainedModel):
    def __init__(self, directory):
        self.directory = directory


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from nodes.numerics.potentials import (
        Bessel,
        EnergyModel,
        GaussianMoments,
        ModelConfig,
        Readout,
        save_model,
    )

    config = ModelConfig(
        elements=(29,),
        cutoff_angstrom=3.0,
        representation=GaussianMoments(n_radial=2, n_contractions=2, basis=Bessel(4)),
        readout=Readout(hidden=(4,)),
        n_members=2,
    )
    model = EnergyModel(config)
    directory = tmp_path_factory.mktemp("saved")
    save_model(directory, model, model.init(jax.random.key(0)))
    return Saved(directory)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    made = [bulk("Cu", a=3.7) * 2, bulk("Cu", a=3.6) * (2, 2, 1)]
    for frame in made:
        frame.positions += rng.normal(0.0, 0.1, frame.positions.shape)
    return made


def test_it_has_every_interface_of_a_model(saved):
    for interface in (HasCalculator, HasEnergyModel, HasFeatures, HasPredictions):
        assert isinstance(saved, interface)


def test_predictions_are_copies_with_spread_and_equal_those_of_the_calculator(saved, frames):
    predicted = saved.predict(frames)
    assert all(frame.calc is None for frame in frames)
    alone = frames[1].copy()
    alone.calc = saved.get_calculator()
    assert predicted[1].get_potential_energy() == pytest.approx(
        alone.get_potential_energy(), abs=1e-5
    )
    np.testing.assert_allclose(predicted[1].get_forces(), alone.get_forces(), atol=1e-5)
    assert predicted[1].info["energy_std"] > 0.0
    assert predicted[1].arrays["forces_std"].shape == (len(frames[1]), 3)


def test_features_are_per_atom(saved, frames):
    features = saved.features([frames[0], frames[0] * (1, 1, 2)])
    assert features.shape == (2, 5)
    np.testing.assert_allclose(features[0], features[1], rtol=1e-4)
