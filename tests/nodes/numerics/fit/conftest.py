"""A small data set: Cu-Ag crystals with labels of effective medium theory."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from nodes.numerics.potentials import EnergyModel, ModelConfig
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
            )
        )
    return structures


@pytest.fixture(scope="session")
def model():
    return EnergyModel(
        ModelConfig(
            elements=(29, 47),
            cutoff_angstrom=4.0,
            n_basis=6,
            n_radial=3,
            n_contractions=4,
            hidden=(16,),
            n_members=4,
        )
    )


@pytest.fixture(scope="session")
def train():
    """Structures of two sizes: 4 and 8 atoms."""
    return crystals(24, 0) + crystals(6, 1, (2, 1, 1))


@pytest.fixture(scope="session")
def valid():
    return crystals(9, 2)
