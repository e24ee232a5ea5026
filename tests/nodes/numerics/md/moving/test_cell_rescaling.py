"""Stochastic cell rescaling against ensembles whose volumes and shapes are known exactly."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nodes.numerics.md.moving import CellRescaling
from nodes.numerics.units import GPA

from .reference_systems import (
    KT,
    conditions,
    dimers,
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

N_REPLICAS = 500
MASSES = np.array([10.0, 10.0, 20.0, 20.0, 5.0, 30.0, 10.0, 10.0])
M = 4
PRESSURE = M * KT / 1000.0
STIFFNESS, WIDTH = 3.0, 10.0
DIMERS = partial(dimers, 0.5)
ELASTIC = partial(elastic_dimers, 0.5, STIFFNESS, WIDTH)
MODES = ["isotropic", "anisotropic", "full"]


def molecules(energy, integrator, pressure, *, cell=None, timestep_fs=2.0, seed=0):
    """Replicas of four dimers at the centre of mass, near equilibrium."""
    rng = np.random.default_rng(seed)
    around = conditions(MASSES, dof=21, timestep_fs=timestep_fs, pressure=pressure, seed=seed)
    positions = np.repeat(10.0 * rng.random((N_REPLICAS, M, 3)), 2, axis=1)
    positions += rng.normal(size=positions.shape) * np.sqrt(KT / 0.5 / 2)
    velocities = thermal_velocities(rng, MASSES, N_REPLICAS)
    cells = np.broadcast_to(np.eye(3) * WIDTH if cell is None else cell, (N_REPLICAS, 3, 3))
    return around, start_many(energy, integrator, around, positions, velocities, cells)


@pytest.mark.extensive
@pytest.mark.parametrize("mode", MODES)
def test_volumes_of_an_ideal_gas_of_dimers_have_their_exact_distribution(mode):
    integrator = CellRescaling(
        tau_fs=40.0, tau_pressure_fs=200.0, compressibility_per_gpa=GPA / PRESSURE, mode=mode
    )
    around, moving = molecules(DIMERS, integrator, PRESSURE)
    _, seen = simulate_many(DIMERS, integrator, around, moving, 800)
    volumes = np.asarray(seen["volume"][:, -1])
    # Ten time constants of the volume after the start; chance of failure 1e-3.
    assert stats.kstest(volumes, stats.gamma(M, scale=KT / PRESSURE).cdf).pvalue > 1e-3
    # Counting the centre of mass, as if it took part, would be noticed.
    assert stats.kstest(volumes, stats.gamma(M + 1, scale=KT / PRESSURE).cdf).pvalue < 1e-6
    # Each part of the pressure exceeds its target by -kT / V on average.
    excess = np.asarray(
        seen["pressure_volume"] - PRESSURE * seen["volume"][..., None, None] * jnp.eye(3)
    )
    parts = excess[:, 50:].mean(1)
    error = 4 * parts.std(0) / np.sqrt(N_REPLICAS)
    if mode == "isotropic":
        parts, error = (
            np.trace(parts, axis1=1, axis2=2) / 3,
            4 * np.trace(parts, axis1=1, axis2=2).std() / 3 / np.sqrt(N_REPLICAS),
        )
        assert abs(parts.mean() + KT) < error
    else:
        assert np.all(np.abs(parts.mean(0) + KT * np.eye(3)) < error)


@pytest.mark.extensive
def test_shapes_of_an_elastic_cell_have_their_exact_moments():
    volume, spread, diagonal, shear = elastic_moments(STIFFNESS, WIDTH, M, PRESSURE)
    integrator = CellRescaling(
        tau_fs=40.0, tau_pressure_fs=200.0, compressibility_per_gpa=6.24, mode="full"
    )
    around, moving = molecules(ELASTIC, integrator, PRESSURE, seed=1)
    _, seen = simulate_many(ELASTIC, integrator, around, moving, 800)
    cells = np.asarray(seen["cell"][:, -1])
    grams = cells @ cells.transpose(0, 2, 1) / WIDTH**2
    root = np.sqrt(N_REPLICAS)
    volumes = np.asarray(seen["volume"][:, -1])
    assert abs(volumes.mean() - volume) < 4 * spread / root
    assert volumes.std() == pytest.approx(spread, rel=4 / np.sqrt(2) / root + 0.01)
    for i, j in ((0, 0), (1, 1), (2, 2)):
        part = grams[:, i, j]
        assert abs(part.mean() - diagonal) < 4 * part.std() / root
    for i, j in ((0, 1), (0, 2), (1, 2)):
        part = grams[:, i, j]
        # Symmetric, and as wide as it must be; the time step widens it by less than 1 %.
        assert abs(part.mean()) < 4 * part.std() / root
        assert np.mean(part**2) == pytest.approx(
            shear, rel=4 * (part**2).std() / shear / root + 0.01
        )


@pytest.mark.extensive
def test_a_sheared_cell_relaxes():
    integrator = CellRescaling(
        tau_fs=40.0, tau_pressure_fs=200.0, compressibility_per_gpa=6.24, mode="full"
    )
    sheared = WIDTH * np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    around, moving = molecules(ELASTIC, integrator, PRESSURE, cell=sheared, seed=2)
    _, seen = simulate_many(ELASTIC, integrator, around, moving, 800)
    cells = np.asarray(seen["cell"])
    shear = np.mean(np.einsum("rta,rta->rt", cells[:, :, 0], cells[:, :, 1]), axis=0) / WIDTH**2
    # Already after 16 fs a bit of 0.5 is gone.
    assert shear[0] > 0.3
    # What is left: molecules that never collide keep momenta that were strained along, whose
    # pressure bends the cell by about 0.5 * M * KT / STIFFNESS = 0.02.
    assert abs(shear[-1]) < 0.06


@pytest.mark.extensive
def test_isotropic_and_anisotropic_cells_keep_what_they_promise():
    cell = np.array([[6.0, 0.0, 0.0], [-3.0, 5.2, 0.0], [0.5, 0.2, 9.0]])
    rng = np.random.default_rng(0)
    around = conditions(MASSES, dof=21, pressure=1e-3)
    velocities = thermal_velocities(rng, MASSES)
    ends = {}
    for mode, axes in (("isotropic", (True,) * 3), ("anisotropic", (True, False, True))):
        integrator = CellRescaling(mode=mode, axes=axes, compressibility_per_gpa=1.0)
        moving = start(pairs, integrator, around, rng.random((8, 3)) @ cell, velocities, cell)
        ends[mode] = np.asarray(simulate(pairs, integrator, around, moving, 200)[0].cell)
    ratio = ends["isotropic"][0, 0] / 6.0
    assert abs(ratio - 1) > 1e-3
    np.testing.assert_allclose(ends["isotropic"], ratio * cell, atol=1e-12)
    ratios = np.linalg.norm(ends["anisotropic"], axis=1) / np.linalg.norm(cell, axis=1)
    np.testing.assert_allclose(ends["anisotropic"], ratios[:, None] * cell, atol=1e-12)
    assert ratios[1] == pytest.approx(1.0, abs=1e-12)
    assert abs(ratios - 1)[[0, 2]].min() > 1e-3


@pytest.mark.extensive
@pytest.mark.parametrize("tau_pressure_fs", [100.0, 400.0])
def test_volume_relaxes_with_its_time_constant(tau_pressure_fs):
    n = 200
    around = conditions(
        np.full(n, 20.0), dof=3 * n - 3, timestep_fs=tau_pressure_fs / 100, pressure=0.01
    )
    integrator = CellRescaling(
        tau_fs=1.0, tau_pressure_fs=tau_pressure_fs, compressibility_per_gpa=GPA / 0.01
    )
    rng = np.random.default_rng(3)
    volume = n * KT / 0.01
    width = (1.1 * volume) ** (1 / 3)
    positions = width * rng.random((20, n, 3))
    velocities = thermal_velocities(rng, np.full(n, 20.0), 20)
    cells = np.broadcast_to(width * np.eye(3), (20, 3, 3))
    moving = start_many(free, integrator, around, positions, velocities, cells)
    _, seen = simulate_many(free, integrator, around, moving, 100)
    excess = np.mean(seen["volume"], axis=0) / volume - 1
    # One time constant; 20 gases with fluctuations of 1 / sqrt(200).
    assert excess[-1] == pytest.approx(0.1 * np.exp(-1), abs=4 / np.sqrt(20 * n))


@pytest.mark.parametrize("mode", [pytest.param("isotropic", marks=pytest.mark.extensive), "full"])
def test_energy_less_heat_and_work_is_conserved(mode):
    rng = np.random.default_rng(1)
    positions, velocities = 6 * rng.random((8, 3)), thermal_velocities(rng, MASSES)
    integrator = CellRescaling(tau_pressure_fs=200.0, compressibility_per_gpa=0.5, mode=mode)
    spread = []
    for timestep_fs, n_steps in ((2.0, 1000), (0.5, 4000)):
        around = conditions(MASSES, dof=21, timestep_fs=timestep_fs, pressure=5e-3)
        moving = start(pairs, integrator, around, positions, velocities, 6.0 * np.eye(3))
        end, seen = simulate(pairs, integrator, around, moving, n_steps)
        spread.append(np.ptp(seen["conserved"]))
        assert np.ptp(seen["volume"]) > 5
        assert np.abs(jnp.sum(around.masses * end.velocities, axis=0)).max() < 1e-12
    assert spread[0] < 5e-3
    assert spread[1] < 0.5 * spread[0]


@pytest.mark.extensive
def test_a_pressure_tensor_stretches_along_its_axes():
    target = PRESSURE * np.eye(3) - 1e-3 * np.diag([1.0, 0.0, -1.0])
    integrator = CellRescaling(
        tau_fs=40.0, tau_pressure_fs=200.0, compressibility_per_gpa=6.24, mode="full"
    )
    around, moving = molecules(ELASTIC, integrator, target, seed=4)
    _, seen = simulate_many(ELASTIC, integrator, around, moving, 800)
    x, y, z = np.diag(np.mean(seen["cell"][:, -1], axis=0))
    assert x > y + 0.5
    assert y > z + 0.5


@pytest.mark.extensive
def test_the_centre_of_mass_stays():
    integrator = CellRescaling(compressibility_per_gpa=5.0)
    around, moving = molecules(DIMERS, integrator, PRESSURE)
    end, _ = jax.vmap(lambda m: (integrator.before(m, around), 0))(moving)
    masses = MASSES[:, None] / MASSES.sum()
    before, after = (np.sum(masses * m.positions, axis=1) for m in (moving, end))
    np.testing.assert_allclose(after, before, atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "cubic"}, "mode must be 'isotropic', 'anisotropic' or 'full'"),
        ({"tau_pressure_fs": 0.0}, "tau_pressure_fs of CellRescaling must be positive"),
        ({"compressibility_per_gpa": -1.0}, "compressibility_per_gpa of CellRescaling must be"),
        ({"axes": (True, False, True)}, "axes must all be true with mode='isotropic'"),
        ({"axes": (False,) * 3, "mode": "anisotropic"}, "axes must be three flags"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CellRescaling(**fields)
