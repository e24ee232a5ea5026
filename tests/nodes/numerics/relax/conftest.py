"""A pair potential of copper and gold as a correction to a model that says nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from nodes.atoms import structure_of
from nodes.numerics.potentials import EnergyModel, ModelConfig, Readout
from nodes.numerics.potentials.precision import Precision
from nodes.numerics.potentials.representation import Description
from nodes.numerics.relax import RelaxSettings, RelaxStart


@dataclass(frozen=True)
class Silent:
    """A representation that says nothing, and compiles in no time."""

    name: ClassVar[str] = "silent"
    n_features: int = 1

    def init(self, key, *, n_elements, cutoff, dtype):
        return {}

    def describe(self, weights, edges, *, cutoff, equivariant=False):
        return Description(jnp.zeros((len(edges.receiver), 1), edges.vectors.dtype), None, None)


@dataclass(frozen=True)
class Morse:
    """L. A. Girifalco and V. G. Weizer, Phys. Rev. 114, 687 (1959), cut off smoothly.

    NaN below 1 Angstrom.
    """

    name: ClassVar[str] = "morse"
    cutoff: float = 4.2

    def init(self, elements, dtype):
        return {}

    def energies(self, weights, edges, elements):
        r2 = jnp.sum(edges.vectors**2, axis=-1)
        active = (edges.sender >= 0) & (edges.receiver[:, None] >= 0) & (r2 < self.cutoff**2)
        r = jnp.sqrt(jnp.where(active, r2, self.cutoff**2))
        i, j = edges.receiver[:, None], edges.sender

        def mean(values):
            values = jnp.array(values, r.dtype)
            return 0.5 * (values[i] + values[j])

        depth, width, length = mean([0.34, 0.48]), mean([1.36, 1.58]), mean([2.87, 3.02])
        bond = jnp.exp(-width * (r - length)) + jnp.where(r < 1.0, jnp.nan, 0.0)
        switch = (1.0 - (r / self.cutoff) ** 2) ** 3
        return 0.5 * jnp.sum(jnp.where(active, depth * (bond**2 - 2.0 * bond) * switch, 0.0), -1)


class ModelCalculator(Calculator):
    """The same model for ASE."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, model, params):
        super().__init__()
        self.model, self.params = model, params

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        found = self.model.predict(self.params, self.model.graph(structure_of(self.atoms)))
        self.results = {"energy": found.energy, "forces": found.forces}
        if found.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stress)


def morse_model(precision):
    model = EnergyModel(
        ModelConfig(
            elements=(29, 79),
            cutoff_angstrom=4.2,
            representation=Silent(),
            readout=Readout(hidden=(2,)),
            n_members=2,
            corrections=(Morse(),),
            precision=precision,
        )
    )
    params = jax.device_get(model.init(jax.random.key(0)))
    params["weights"]["scale"] = np.zeros_like(params["weights"]["scale"])
    params["constants"]["reference"] = np.array([-3.5, -2.5])
    return model, params


@pytest.fixture(scope="session")
def exact():
    """Model and parameters in double precision."""
    return morse_model(Precision.double())


@pytest.fixture(scope="session")
def calculator(exact):
    return ModelCalculator(*exact)


def make_alloy(seed, shape=(1, 1, 1), stdev=0.1, lattice=3.9):
    """Copper and gold, displaced from their sites."""
    atoms = ase.build.bulk("Cu", cubic=True, a=lattice).repeat(shape)
    rng = np.random.default_rng(seed)
    atoms.numbers[rng.permutation(len(atoms))[: len(atoms) // 2]] = 79
    atoms.rattle(stdev, rng=rng)
    return atoms


def make_cluster(seed):
    """A tetrahedron of four atoms, out of shape, with a fifth one beside it."""
    corners = 1.0 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1], [-1, -1, -1]])
    atoms = ase.Atoms("Cu3Au2", positions=corners)
    atoms.rattle(0.15, rng=np.random.default_rng(seed))
    return atoms


def make_start(atoms, mobile=None):
    return RelaxStart(structure_of(atoms), mobile)


@pytest.fixture(scope="session")
def alloy():
    return make_alloy


@pytest.fixture(scope="session")
def cluster():
    return make_cluster


@pytest.fixture(scope="session")
def start():
    return make_start


@pytest.fixture(scope="session")
def settings():
    return RelaxSettings(fmax_ev_per_angstrom=1e-3, batch_size=3, steps_per_block=10)
