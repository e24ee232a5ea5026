"""A soft random potential: dynamics must be right for any energy."""

import jax
import numpy as np
import pytest
from ase.build import bulk

from nodes.numerics.md import MDSettings
from nodes.numerics.md.checks import (
    BondLength,
    EnergyJump,
    MaxEnergyStd,
    MaxForceStd,
    MaxTemperature,
    MinDistance,
    Reflection,
)
from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    GaussianMoments,
    ModelConfig,
    Readout,
)
from nodes.numerics.structures import Structure


@pytest.fixture(scope="session")
def model():
    return EnergyModel(
        ModelConfig(
            elements=(29,),
            cutoff_angstrom=3.5,
            representation=GaussianMoments(n_radial=2, n_contractions=3, basis=Bessel(n_basis=4)),
            readout=Readout(hidden=(4,)),
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


@pytest.fixture(scope="session")
def checked():
    """Settings with all checks, none of which stops a run; one program serves many tests."""
    never = (
        MaxForceStd(1e9),
        MaxEnergyStd(1e9),
        MaxTemperature(1e9),
        EnergyJump(1e9),
        MinDistance(1e-9),
        BondLength(1e9),
        Reflection(1e9),
    )
    return MDSettings(
        timestep_fs=2.0,
        temperature_k=2000.0,
        friction_per_ps=20.0,
        n_steps=60,
        sample_every=10,
        check_every=2,
        checks=never,
        keep_before=4,
        frames_per_block=2,
    )
