import jax
import numpy as np
import pytest

from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Precision,
    PropertyHead,
    Readout,
    Zbl,
)
from nodes.numerics.structures import Structure


@pytest.fixture(scope="session")
def ensemble():
    """A model in float64 with three members, ZBL and a head, and its parameters."""
    config = ModelConfig(
        elements=(1, 8),
        cutoff_angstrom=2.6,
        representation=GaussianMoments(n_radial=2, n_contractions=3, basis=Bessel(4)),
        readout=Readout(hidden=(8,)),
        n_members=3,
        corrections=(Zbl(),),
        heads=(PropertyHead("charges", hidden=(4,)),),
        precision=Precision.double(),
    )
    model = EnergyModel(config)
    params = model.init(jax.random.key(3))
    params["constants"]["reference"] = np.array([-13.6, -2041.8])
    return model, params


@pytest.fixture(scope="session")
def crystal():
    cell = np.array([[2.5, 0.0, 0.0], [0.4, 2.4, 0.0], [-0.3, 0.5, 2.6]])
    return Structure([1, 8, 1], [[0.0, 0, 0], [1.1, 1.0, 0.2], [0.3, 0.2, 1.4]], cell, True)


@pytest.fixture(scope="session")
def molecule():
    positions = [[0.1, 0.0, 0.0], [1.2, 0.9, 0.2], [-0.4, 0.2, 1.4], [0.2, -1.6, 0.0]]
    return Structure([8, 1, 1, 1], positions, np.zeros((3, 3)), False)
