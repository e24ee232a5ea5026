"""Constant pressure with inertia: invariant, reversal, period, exact ensembles."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.moving import CellRescaling, MtkNPT
from nodes.numerics.units import FS

from .reference_systems import (
    KT,
    conditions,
    elastic_dimers,
    elastic_moments,
    free,
    pairs,
    simulate,
    simulate_many,
    start,
    start_many,
    thermal_velocities,
)

pytestmark = pytest.mark.extensive

MASSES = np.array([4.0, 12.0, 12.0, 40.0])
MODES = [pytest.param("isotropic", marks=pytest.mark.extensive), "full"]


def gas(integrator, timestep_fs=1.0):
    rng = np.random.default_rng(1)
    around = conditions(MASSES, dof=9, timestep_fs=timestep_fs, pressure=2e-3)
    positions, velocities = 5 * rng.random((4, 3)), thermal_velocities(rng, MASSES)
    return around, start(pairs, integrator, around, positions, velocities, 5.0 * np.eye(3))


@pytest.mark.parametrize("mode", MODES)
def test_the_invariant_is_kept_to_second_order(mode):
    integrator = MtkNPT(tau_fs=20.0, tau_pressure_fs=60.0, mode=mode)
    spread = []
    for timestep_fs, n_steps in ((1.0, 2000), (0.5, 4000)):
        around, moving = gas(integrator, timestep_fs)
        end, seen = simulate(pairs, integrator, around, moving, n_steps)
        spread.append(np.ptp(seen["conserved"]))
        assert np.ptp(seen["volume"]) > 10
        assert np.abs(jnp.sum(around.masses * end.velocities, axis=0)).max() < 1e-12
    assert spread[0] < 1e-3
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.35)
    # No rotation: the rate of strain is symmetric.
    rate = np.asarray(end.extra["rate"])
    np.testing.assert_allclose(rate, rate.T, atol=1e-12)
    assert (np.abs(rate - np.trace(rate) / 3 * np.eye(3)).max() < 1e-12) == (mode == "isotropic")


@pytest.mark.parametrize("mode", MODES)
def test_it_can_be_reversed(mode):
    integrator = MtkNPT(tau_fs=20.0, tau_pressure_fs=60.0, mode=mode)
    around, moving = gas(integrator)
    there, _ = simulate(pairs, integrator, around, moving, 100)
    extra = there.extra
    chains = {**extra["chains"], "velocities": -extra["chains"]["velocities"]}
    turned = there._replace(
        velocities=-there.velocities, extra={"rate": -extra["rate"], "chains": chains}
    )
    back, _ = simulate(pairs, integrator, around, turned, 100)
    np.testing.assert_allclose(back.positions, moving.positions, atol=1e-9)
    np.testing.assert_allclose(back.cell, moving.cell, atol=1e-9)
    np.testing.assert_allclose(back.velocities, -moving.velocities, atol=1e-9)


def test_an_ideal_gas_moves_in_units_of_tau():
    n, pressure = 10, 0.01
    masses, dof = np.full(n, 20.0), 3 * n - 3
    velocities = thermal_velocities(np.random.default_rng(0), masses)
    velocities *= np.sqrt(dof * KT / np.sum(20.0 * velocities**2))
    # At the volume (dof + 3) kT / (3 p) nothing pushes; this is half a percent more.
    cell = (1.005 * (dof + 3) * KT / 3 / pressure) ** (1 / 3) * np.eye(3)
    growth = []
    for tau_fs in (50.0, 200.0):
        around = conditions(masses, dof=dof, timestep_fs=tau_fs / 100, pressure=pressure)
        integrator = MtkNPT(tau_fs=tau_fs, tau_pressure_fs=tau_fs)
        moving = start(free, integrator, around, np.zeros((n, 3)), velocities, cell)
        _, seen = simulate(free, integrator, around, moving, 500)
        growth.append(np.log(np.asarray(seen["volume"])) - 3 * np.log(cell[0, 0]))
    np.testing.assert_allclose(growth[0], growth[1], atol=1e-10)
    # It begins with an acceleration of 3 * 0.005 / tau^2; these are the first 5 steps.
    assert growth[0][0] == pytest.approx(-0.5 * 0.015 * (5 / 100) ** 2, rel=0.02)
    assert np.ptp(growth[0]) > 0.005


@pytest.mark.extensive
def test_shapes_of_an_elastic_cell_keep_their_exact_moments():
    """Start from equilibrium, found with noise: equations of motion must leave it as it is."""
    n, stiffness, width, m = 500, 3.0, 10.0, 4
    pressure = m * KT / 1000.0
    energy = partial(elastic_dimers, 0.5, stiffness, width)
    masses = np.array([10.0, 10.0, 20.0, 20.0, 5.0, 30.0, 10.0, 10.0])
    rng = np.random.default_rng(5)
    around = conditions(masses, dof=21, timestep_fs=2.0, pressure=pressure, seed=5)
    positions = np.repeat(10.0 * rng.random((n, m, 3)), 2, axis=1)
    positions += rng.normal(size=positions.shape) * np.sqrt(KT / 0.5 / 2)
    velocities = thermal_velocities(rng, masses, n)
    cells = np.broadcast_to(width * np.eye(3), (n, 3, 3))
    noise = CellRescaling(40.0, 100.0, 6.24, "full")
    moving = start_many(energy, noise, around, positions, velocities, cells)
    moving, _ = simulate_many(energy, noise, around, moving, 300)

    integrator = MtkNPT(tau_fs=40.0, tau_pressure_fs=60.0, mode="full")
    extra = jax.vmap(lambda m: integrator.init(m, around))(moving)
    inertia = 24 / 3 * KT * (60.0 * FS) ** 2
    rate = rng.normal(size=(n, 3, 3)) * np.sqrt(KT / inertia)
    links = rng.normal(size=(n, 3, 2)) / np.array([40.0 * FS, 60.0 * FS])
    links[:, 0] /= np.sqrt([21.0, 6.0])
    extra["rate"] = jnp.asarray((rate + rate.transpose(0, 2, 1)) / 2)
    extra["chains"]["velocities"] = jnp.asarray(links)
    moving, seen = simulate_many(energy, integrator, around, moving._replace(extra=extra), 300)

    volume, spread, diagonal, shear = elastic_moments(stiffness, width, m, pressure)
    grams = np.asarray(seen["cell"] @ jnp.swapaxes(seen["cell"], -1, -2))[:, 20::10] / width**2
    root = np.sqrt(n)
    assert abs(np.mean(seen["volume"][:, -1]) - volume) < 4 * spread / root
    means = grams.mean(1)
    error = 4 * means.std(0) / root
    assert np.all(np.abs(means.mean(0) - diagonal * np.eye(3)) < error)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        squares = np.mean(grams[..., i, j] ** 2, axis=1)
        assert abs(squares.mean() - shear) < 4 * squares.std() / root
    # Equipartition of the cell: six rates of strain.
    rates = np.asarray(moving.extra["rate"])
    twice = inertia * np.sum(rates**2, axis=(1, 2)) / KT
    assert twice.mean() == pytest.approx(6, abs=4 * np.sqrt(12) / root)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "anisotropic"}, "mode must be 'isotropic' or 'full', received 'anisotropic'"),
        ({"tau_pressure_fs": 0.0}, "tau_pressure_fs of MtkNPT must be positive"),
        ({"sy_steps": 2}, "sy_steps must be 1, 3, 5 or 7"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        MtkNPT(**fields)
