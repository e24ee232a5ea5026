"""A soft random potential: dynamics must be right for any energy."""

import jax
import numpy as np
import pytest
from ase.build import bulk

from nodes.numerics.potentials import EnergyModel, ModelConfig
from nodes.numerics.structures import Structure


@pytest.fixture(scope="session")
def model():
    return EnergyModel(
        ModelConfig(
            elements=(29,),
            cutoff_angstrom=3.5,
            n_basis=4,
            n_radial=2,
            n_contractions=3,
            hidden=(4,),
            n_members=3,
        )
    )


@pytest.fixture(scope="session")
def params(model):
    params = jax.device_get(model.init(jax.random.key(0)))
    params["weights"]["scale"] = np.array([0.1], np.float32)
    params["constants"]["reference"] = np.array([-3.5])
    return params


@pytest.fixture(scope="session")
def crystal():
    """Four copper atoms in a cell just as wide as the cutoff."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, rng=np.random.default_rng(0))
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array, True)
