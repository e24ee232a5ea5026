"""Random cells of any periodicity, small models of every kind, and their slopes by differences."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np

from nodes.numerics.neighbors.host import neighbor_edges
from nodes.numerics.potentials import (
    Bessel,
    EnergyModel,
    EquivariantMessages,
    ExponentialRepulsion,
    Gaussian,
    GaussianMoments,
    ModelConfig,
    Precision,
    Readout,
    Zbl,
    build_graphs,
)
from nodes.numerics.potentials.prediction import predict_graphs
from nodes.numerics.structures import Structure

ELEMENTS, CUTOFF, N_ATOMS, SLOTS = (6, 29), 3.4, 4, 40
REPRESENTATIONS = {
    "moments": GaussianMoments(n_radial=2, n_contractions=8, basis=Bessel(4)),
    "gaussian basis": GaussianMoments(n_radial=2, n_contractions=3, basis=Gaussian(4)),
    "messages": EquivariantMessages(features=4, n_iterations=1, basis=Bessel(4)),
    "messages twice": EquivariantMessages(features=4, n_iterations=2, basis=Bessel(4)),
    "few messages": EquivariantMessages(3, max_degree=1, n_iterations=2, basis=Bessel(3)),
}
CORRECTIONS = {
    "none": (),
    "zbl": (Zbl(),),
    "trained zbl": (Zbl(r_max_angstrom=2.2),),
    "exponential": (ExponentialRepulsion(r_max_angstrom=2.0),),
    "all": (Zbl(r_max_angstrom=2.2), ExponentialRepulsion(r_max_angstrom=2.0)),
}
PERIODIC = {
    "bulk": (True, True, True),
    "slab": (True, False, True),
    "wire": (False, False, True),
    "molecule": (False, False, False),
}
KINDS = ("bulk", "slab", "bulk", "wire", "bulk", "molecule", "slab", "bulk", "wire", "bulk")
"""Half of twenty cells; the other half is of the same kinds."""


@cache
def model_of(representation="moments", corrections="none", n_members=2, **changes):
    """A small model, in float64 unless asked for otherwise."""
    settings = {"ensemble": "shallow", "precision": Precision.double()} | changes
    return EnergyModel(
        ModelConfig(
            elements=ELEMENTS,
            cutoff_angstrom=CUTOFF,
            representation=REPRESENTATIONS[representation],
            readout=Readout(hidden=(8,)),
            n_members=n_members,
            corrections=CORRECTIONS[corrections],
            **settings,
        )
    )


@cache
def params_of(model):
    """Random parameters, none of which has a neutral value; nothing is compiled for them."""
    rng = np.random.default_rng(2)
    config = model.config
    with model.scope():
        shapes = jax.eval_shape(model.init, jax.random.key(0))
        corrections = {
            c.name: jax.device_get(c.init(config.elements, config.precision.dtype("energy")))
            for c in config.corrections
        }

    def draw(leaf):
        return (0.5 * rng.normal(size=leaf.shape)).astype(leaf.dtype)

    weights = {name: jax.tree.map(draw, part) for name, part in shapes["weights"].items()}
    constants = {name: draw(leaf) for name, leaf in shapes["constants"].items()}
    # Neither the learned part nor corrections may hide the other one's errors.
    weights["scale"] = weights["scale"] + 4
    if "prefactor" in corrections.get("zbl", {}):
        corrections["zbl"]["prefactor"] = corrections["zbl"]["prefactor"] * 0.1
    if "exponential" in corrections:
        strength = corrections["exponential"]["strength"]
        corrections["exponential"]["strength"] = strength * np.array([0.12, 0.08], strength.dtype)
    constants["feature_scale"] = np.abs(constants["feature_scale"]) + 2
    constants["reference"] = np.array([-7.0, -3.0])
    return {"weights": weights | {"corrections": corrections}, "constants": constants}


def random_structure(kind, seed, n_atoms=N_ATOMS, size=2.45, closest=1.3):
    """Atoms in a triclinic cell, no two of them too close; most cells are below the cutoff."""
    rng = np.random.default_rng([seed, n_atoms])
    edge = size * (n_atoms / N_ATOMS) ** (1 / 3)
    for _ in range(10000):
        cell = edge * np.diag(rng.uniform(0.9, 1.5, 3)) + 0.35 * edge * rng.uniform(-1, 1, (3, 3))
        positions = rng.random((n_atoms, 3)) @ cell
        near = neighbor_edges(positions, cell, np.array(PERIODIC[kind]), closest)
        if len(near.receivers) == 0:
            numbers = np.where(np.arange(n_atoms) % 2, 29, 6)
            return Structure(numbers, positions, cell, np.array(PERIODIC[kind]))
    raise AssertionError(f"no {kind} of {n_atoms} atoms was found")


@cache
def cells(count=20):
    """The first of twenty random cells of four atoms, of all kinds."""
    return [random_structure((KINDS * 2)[i], i) for i in range(count)]


def predict_all(model, params, structures, n_atoms=N_ATOMS, slots=SLOTS, width=25):
    """Predictions, all by one compiled program; padding atoms are left out."""
    filled = [*structures, *[structures[-1]] * (-len(structures) % width)]
    found = []
    with model.scope():
        for start in range(0, len(filled), width):
            part = filled[start : start + width]
            graphs = build_graphs(part, model.config, n_atoms=n_atoms, capacity=slots)
            found += predict_graphs(model, params, graphs, forces_std=False)
    pairs = zip(found, structures, strict=False)
    return [replace(p, forces=p.forces[: len(s)]) for p, s in pairs]


class Slopes:
    """How an energy changes along a random displacement and along a random strain.

    Parameters
    ----------
    structures : sequence of Structure
    energies_of : callable
        Energies of a list of structures; called once.
    """

    def __init__(self, structures, energies_of, *, step=3e-5):
        self.moves, self.strains, moved = [], [], []
        for row, s in enumerate(structures):
            rng = np.random.default_rng([7, row])
            move, strain = rng.normal(size=(len(s), 3)), rng.normal(size=(3, 3))
            self.moves.append(move)
            self.strains.append(strain)
            steps = (step, -step, 2 * step, -2 * step)
            moved += [replace(s, positions=s.positions + t * move) for t in steps]
            for t in steps:
                deform = np.eye(3) + t * strain.T
                moved.append(replace(s, positions=s.positions @ deform, cell=s.cell @ deform))
        ends = np.reshape(energies_of(moved), (-1, 2, 4))
        self.by_move, self.by_strain = (ends @ [8.0, -8.0, -1.0, 1.0] / (12 * step)).T

    def force_errors(self, forces):
        """Deviation of each structure, relative to the size of its forces."""
        return np.array(
            [
                abs(slope + np.sum(f * move)) / np.linalg.norm(f)
                for slope, f, move in zip(self.by_move, forces, self.moves, strict=True)
            ]
        )

    def virial_errors(self, virials):
        """Deviation of each structure, relative to the size of its virial."""
        return np.array(
            [
                abs(slope - np.sum(v * strain)) / np.linalg.norm(v)
                for slope, v, strain in zip(self.by_strain, virials, self.strains, strict=True)
            ]
        )


@cache
def slopes_of(model, count):
    """Slopes of the energy that a model predicts for the first cells."""
    params = params_of(model)
    return Slopes(cells(count), lambda s: [p.energy for p in predict_all(model, params, s)])


def assert_right(errors, name):
    """Relative errors are below 1e-6; the largest is shown by ``pytest -rP``."""
    largest = float(np.max(errors))
    print(f"{name}: {largest:.1e}")
    assert largest < 1e-6, f"{name}: {errors}"
