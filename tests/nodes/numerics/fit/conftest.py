"""A small data set, Cu-Ag crystals with labels of effective medium theory, and a small model."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from nodes.numerics.fit import FitConfig, Loss, Optimizer
from nodes.numerics.potentials import EnergyModel, ModelConfig
from nodes.numerics.potentials.readout import Readout
from nodes.numerics.potentials.representation import Description
from nodes.numerics.structures import Structure


def crystals(count, seed, repeat=(1, 1, 1)):
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True) * repeat
        atoms.numbers[rng.random(len(atoms)) < 0.3] = 47
        atoms.set_cell(atoms.cell * rng.uniform(0.98, 1.08), scale_atoms=True)
        atoms.positions += rng.normal(size=(len(atoms), 3)) * 0.15
        atoms.calc = EMT()
        structures.append(
            Structure(
                atoms.numbers,
                atoms.positions,
                atoms.cell.array,
                atoms.pbc,
                atoms.get_potential_energy(),
                atoms.get_forces(),
                stress=atoms.get_stress(voigt=False),
            )
        )
    return structures


@dataclass(frozen=True)
class Shells:
    """Neighbours counted in soft shells: a representation that is compiled in no time."""

    name: ClassVar[str] = "shells"
    n_features: ClassVar[int] = 5

    def init(self, key, *, n_elements, cutoff, dtype):
        centres = jnp.linspace(1.8, cutoff, self.n_features, dtype=dtype)
        pairs = 1.0 + 0.1 * jax.random.normal(key, (n_elements, n_elements), dtype)
        return {"centres": centres, "pairs": pairs}

    def describe(self, weights, edges, *, cutoff, equivariant=False):
        distance = jnp.linalg.norm(edges.vectors, axis=-1)
        here = (edges.sender >= 0) & (distance < cutoff)
        fading = jnp.where(here, 0.5 * (jnp.cos(jnp.pi * distance / cutoff) + 1.0), 0.0)
        strength = fading * weights["pairs"][edges.receiver[:, None], edges.sender]
        shells = jnp.exp(-4.0 * (distance[..., None] - weights["centres"]) ** 2)
        scalars = jnp.sum(strength[..., None] * shells, axis=1)
        vectors = jnp.einsum("nk,nkf,nki->nfi", strength, shells, edges.vectors)
        return Description(scalars, vectors if equivariant else None)


@dataclass(frozen=True)
class Charge:
    """A property head: a linear function of the features, of atoms or of structures."""

    name: str
    of_atoms: bool
    n_members: int = 1

    def init(self, key, description, n_elements, dtype):
        shape = (description.scalars.shape[-1], self.n_members)
        return {"w": jax.random.normal(key, shape, dtype)}

    def values(self, weights, description, species):
        values = (description.scalars @ weights["w"]).reshape(*species.shape, -1)
        if not self.of_atoms:
            values = jnp.sum(values * (species >= 0)[..., None], axis=1)
        return values if self.n_members > 1 else values[..., 0]


def small_model(elements=(29, 47), **changes):
    settings = {"cutoff_angstrom": 3.5, "representation": Shells(), "n_members": 2}
    settings |= {"readout": Readout(hidden=(8,))}
    return EnergyModel(ModelConfig(elements=elements, **(settings | changes)))


CONFIG = FitConfig(
    n_epochs=4,
    batch_size=4,
    losses=(Loss("energy", "crps"), Loss("forces", "huber")),
    optimizer=Optimizer(
        learning_rate=1e-2, rates={"representation": 9e-3, "scale": 8e-3, "shift": 7e-3}
    ),
    ema=0.9,
    checkpoint_interval=3,
)
"""What most tests start from, so that they share compiled code."""


@pytest.fixture(scope="session")
def model():
    return small_model()


@pytest.fixture(scope="session")
def params(model):
    return model.init(jax.random.key(0))


@pytest.fixture(scope="session")
def train():
    return crystals(14, 0)


@pytest.fixture(scope="session")
def mixed():
    """Structures of two sizes: 4 and 8 atoms."""
    return crystals(9, 0) + crystals(6, 1, (2, 1, 1))


@pytest.fixture(scope="session")
def valid():
    return crystals(5, 2)
