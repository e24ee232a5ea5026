"""What all integrators have in common."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.moving import (
    CellRescaling,
    Integrator,
    Langevin,
    Moving,
    MtkNPT,
    NoseHooverChain,
    VelocityRescaling,
    VelocityVerlet,
)
from nodes.numerics.md.moving.records import kinetic_energy
from nodes.numerics.units import FS

from .reference_systems import conditions, pairs, simulate, start

ALL = [
    VelocityVerlet(),
    Langevin(),
    VelocityRescaling(),
    NoseHooverChain(),
    CellRescaling(),
    CellRescaling(mode="anisotropic"),
    CellRescaling(mode="full"),
    MtkNPT(),
    MtkNPT(mode="full"),
]


def name_of(integrator):
    return f"{integrator.name}-{getattr(integrator, 'mode', '')}"


def still(dtype):
    rng = np.random.default_rng(0)
    positions, velocities, forces = jnp.asarray(rng.normal(size=(3, 4, 3)), dtype)
    cell, virial = jnp.eye(3, dtype=dtype) * 8.0, jnp.eye(3, dtype=dtype)
    around = conditions([1.0, 2.0, 3.0, 4.0], pressure=0.01, dtype=dtype)
    return around, Moving(positions, velocities, forces, virial, cell, ())


@pytest.mark.parametrize("integrator", ALL, ids=name_of)
def test_a_step_keeps_shapes_and_precision_and_says_what_it_changes(integrator):
    assert isinstance(integrator, Integrator)
    assert hash(integrator) == hash(type(integrator)(**vars(integrator)))
    around, moving = still(jnp.float32)
    moving = moving._replace(extra=integrator.init(moving, around))
    end = integrator.after(integrator.before(moving, around), around)
    types = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(moving)]
    assert [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(end)] == types
    energy = integrator.conserved(end, jnp.float32(0.0), around)
    assert (energy.shape, energy.dtype) == ((), jnp.float32)
    assert (not np.array_equal(end.cell, moving.cell)) == integrator.changes_cell


@pytest.mark.parametrize("integrator", ALL, ids=name_of)
def test_momentum_is_conserved_where_that_is_said(integrator):
    around, moving = still(jnp.float64)
    masses = around.masses

    def at_rest(vectors, weights):
        return vectors - jnp.sum(weights * vectors, axis=0) / jnp.sum(weights)

    moving = moving._replace(
        velocities=at_rest(moving.velocities, masses),
        forces=masses * at_rest(moving.forces, masses),
    )
    moving = moving._replace(extra=integrator.init(moving, around))
    end = integrator.after(integrator.before(moving, around), around)
    momentum = np.abs(np.sum(masses * end.velocities, axis=0)).max()
    assert (momentum < 1e-12) == integrator.conserves_momentum


def test_kinetic_energy():
    assert kinetic_energy(jnp.ones((2, 3)), jnp.array([[1.0], [3.0]])) == 6.0


@pytest.mark.parametrize("sy_steps", [pytest.param(1, marks=pytest.mark.extensive), 7])
@pytest.mark.parametrize("kind", ["nvt", pytest.param("npt", marks=pytest.mark.extensive)])
def test_trajectories_are_those_of_jax_md(kind, sy_steps):
    """200 steps; the numbers are written by write_jax_md_trajectories.py.

    The oracle counts 3 N degrees of freedom, and so do these runs.
    """
    reference = json.loads(Path(__file__).with_name("jax_md_trajectories.json").read_text())
    expected = next(
        run for run in reference["runs"] if (run["kind"], run["sy_steps"]) == (kind, sy_steps)
    )
    chain = {"chain_length": 3, "chain_steps": 2, "sy_steps": sy_steps, "tau_fs": 5.0 / FS}
    integrator = NoseHooverChain(**chain)
    if kind == "npt":
        integrator = MtkNPT(**chain, tau_pressure_fs=20.0 / FS)
    masses = np.array([4.0, 12.0, 12.0, 40.0])
    around = conditions(masses, dof=12, timestep_fs=0.1 / FS, pressure=0.002)
    moving = start(
        pairs, integrator, around, np.array(reference["positions"]),
        np.array(reference["velocities"]), 5.0 * np.eye(3),
    )  # fmt: skip
    end, _ = simulate(pairs, integrator, around, moving, 200)
    # The oracle has parts of its steps in single precision; under a moving cell, its drifts and
    # kicks are exponentials, which differ in third order.
    tolerance = 1e-7 if kind == "nvt" else 1e-6
    np.testing.assert_allclose(end.positions, expected["positions"], atol=tolerance)
    np.testing.assert_allclose(end.velocities, expected["velocities"], atol=tolerance)
    if kind == "npt":
        np.testing.assert_allclose(end.cell, expected["cell"], atol=tolerance)
        assert abs(end.cell[0, 0] - 5.0) > 1e-2
