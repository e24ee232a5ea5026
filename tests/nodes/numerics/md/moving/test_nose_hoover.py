"""Nose-Hoover chains: order of the splitting, period, invariant, distribution."""

import numpy as np
import pytest
from scipy import stats

from nodes.numerics.md.moving import NoseHooverChain
from nodes.numerics.md.moving.nose_hoover import WEIGHTS
from nodes.numerics.units import FS

from .reference_systems import (
    KT,
    conditions,
    free,
    pairs,
    simulate,
    simulate_many,
    start,
    start_many,
    thermal_velocities,
)

MASSES = np.array([4.0, 12.0, 12.0, 40.0])


def gas(integrator, timestep_fs=1.0, seed=1):
    rng = np.random.default_rng(seed)
    around = conditions(MASSES, dof=9, timestep_fs=timestep_fs)
    positions, velocities = 5 * rng.random((4, 3)), thermal_velocities(rng, MASSES)
    return around, start(pairs, integrator, around, positions, velocities, 5.0 * np.eye(3))


@pytest.mark.parametrize(("steps", "order"), [(1, 2), (3, 4), (5, 4), (7, 6)])
def test_weights_have_their_order(steps, order):
    weights = np.array(WEIGHTS[steps])
    assert len(weights) == steps
    np.testing.assert_allclose(weights, weights[::-1])
    # A palindrome errs in odd orders only: sums of powers are the conditions for the first.
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert (abs(np.sum(weights**3)) < 1e-13) == (order >= 4)
    assert (abs(np.sum(weights**5)) < 1e-12) == (order >= 6)


@pytest.mark.parametrize("tau_fs", [20.0, 60.0])
def test_kinetic_energy_swings_with_the_period_of_tau(tau_fs):
    around = conditions([10.0, 10.0], dof=3, timestep_fs=tau_fs / 100)
    integrator = NoseHooverChain(chain_length=1, tau_fs=tau_fs)
    # Free particles, half a percent too warm.
    speed = np.sqrt(1.005 * 3 * KT / (2 * 10.0))
    velocities = speed * np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    moving = start(free, integrator, around, np.zeros((2, 3)), velocities)
    _, seen = simulate(free, integrator, around, moving, 2000, 2000)
    excess = np.asarray(seen["kinetic"]) / (1.5 * KT) - 1
    up = np.flatnonzero((excess[:-1] < 0) & (excess[1:] >= 0))
    period = np.mean(np.diff(up)) * tau_fs / 100
    assert period == pytest.approx(np.sqrt(2) * np.pi * tau_fs, rel=0.01)
    assert np.abs(excess).max() == pytest.approx(0.005, rel=0.01)


def test_the_invariant_is_kept_to_second_order():
    integrator = NoseHooverChain(tau_fs=20.0)
    spread = []
    for timestep_fs, n_steps in ((2.0, 2000), (1.0, 4000)):
        around, moving = gas(integrator, timestep_fs)
        _, seen = simulate(pairs, integrator, around, moving, n_steps)
        spread.append(np.ptp(seen["conserved"]))
        # The system itself exchanges far more with the bath.
        assert np.ptp(seen["kinetic"]) > 0.1
    assert spread[0] < 1e-3
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.35)


def test_it_can_be_reversed():
    integrator = NoseHooverChain(tau_fs=20.0)
    around, moving = gas(integrator)
    there, _ = simulate(pairs, integrator, around, moving, 100)
    bath = {**there.extra, "velocities": -there.extra["velocities"]}
    back, _ = simulate(
        pairs, integrator, around, there._replace(velocities=-there.velocities, extra=bath), 100
    )
    np.testing.assert_allclose(back.positions, moving.positions, atol=1e-10)
    np.testing.assert_allclose(back.velocities, -moving.velocities, atol=1e-10)
    np.testing.assert_allclose(back.extra["heat"], 0.0, atol=1e-10)


@pytest.mark.extensive
def test_kinetic_energy_has_the_canonical_distribution():
    rng = np.random.default_rng(2)
    n = 64
    integrator = NoseHooverChain(tau_fs=20.0)
    around = conditions(MASSES, dof=9, timestep_fs=2.0)
    positions = 5 * rng.random((n, 4, 3))
    velocities = thermal_velocities(rng, MASSES, n, 0.5 * KT)
    cells = np.broadcast_to(5.0 * np.eye(3), (n, 3, 3))
    moving = start_many(pairs, integrator, around, positions, velocities, cells)
    _, seen = simulate_many(pairs, integrator, around, moving, 8000, 80)
    # 64 replicas, each looked at every 200 fs, ten times tau, after 4 ps.
    twice = 2 * np.asarray(seen["kinetic"])[:, 20:].ravel() / KT
    # A fifth of the samples for the test; what correlation is left makes them fewer.
    assert stats.kstest(twice[::5], stats.chi2(9).cdf).pvalue > 1e-3
    assert np.mean(twice) == pytest.approx(9, rel=4 * np.sqrt(2 / 9 / len(twice) * 2))


def test_every_option_of_the_chain_acts():
    ends = set()
    for fields in ({}, {"chain_length": 2}, {"chain_steps": 1}, {"sy_steps": 5}, {"tau_fs": 60.0}):
        integrator = NoseHooverChain(**fields)
        around, moving = gas(integrator)
        moving = moving._replace(velocities=1.5 * moving.velocities)
        for _ in range(3):
            moving = integrator.after(integrator.before(moving, around), around)
        ends.add(np.asarray(moving.velocities).tobytes())
    assert len(ends) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chain_length": 0}, "chain_length must be a whole number from 1 on, received 0"),
        ({"chain_steps": 1.5}, "chain_steps must be a whole number from 1 on, received 1.5"),
        ({"sy_steps": 4}, "sy_steps must be 1, 3, 5 or 7, received 4"),
        ({"tau_fs": 0.0}, "tau_fs of NoseHooverChain must be positive, received 0"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        NoseHooverChain(**fields)


def test_no_time_passes_without_a_unit():
    # tau is in fs: a chain at rest is accelerated by excess / (dof kT tau^2).
    around, moving = gas(NoseHooverChain())
    integrator = NoseHooverChain(chain_length=1, chain_steps=1, sy_steps=1, tau_fs=30.0)
    moving = moving._replace(extra=integrator.init(moving, around))
    twice = float(np.sum(MASSES[:, None] * np.asarray(moving.velocities) ** 2))
    half = 0.5 * FS
    rate = 0.5 * half * (twice - 9 * KT) / (9 * KT * (30.0 * FS) ** 2)
    quiet = moving._replace(forces=0.0 * moving.forces)
    factor = integrator.before(quiet, around).velocities / moving.velocities
    np.testing.assert_allclose(factor, np.exp(-half * rate), rtol=1e-12)
