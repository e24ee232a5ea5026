"""Constraints: degrees of freedom, what stays, what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.constraints import (
    FixAtoms,
    FixCenterOfMass,
    FixLayer,
    freedom_of,
    project,
    without_drift,
)
from nodes.numerics.md.moving import (
    CellRescaling,
    Conditions,
    Langevin,
    Moving,
    NoseHooverChain,
    VelocityVerlet,
)
from nodes.numerics.units import FS

N = 6
MASSES = np.array([1.0, 12.0, 16.0, 40.0, 40.0, 100.0])
POSITIONS = np.random.default_rng(0).random((N, 3)) * 5 + np.arange(N)[:, None] * [0, 0, 2.0]
KT = 0.03


@pytest.mark.parametrize(
    ("constraints", "integrator", "isolated", "dof"),
    [
        ([], VelocityVerlet(), True, 15),
        ([], VelocityVerlet(), False, 18),
        ([], Langevin(), True, 18),
        ([FixCenterOfMass()], Langevin(), True, 15),
        ([FixCenterOfMass()], NoseHooverChain(), False, 15),
        ([FixAtoms((0,))], NoseHooverChain(), True, 15),
        ([FixAtoms((0, -1)), FixAtoms((5,))], NoseHooverChain(), True, 12),
        ([FixAtoms((0,)), FixCenterOfMass()], Langevin(), True, 12),
        ([FixLayer(-1.0, POSITIONS[1, 2]), FixAtoms((3,))], Langevin(), True, 9),
    ],
)
def test_degrees_of_freedom(constraints, integrator, isolated, dof):
    positions = POSITIONS.copy()
    positions[:, 2] = np.sort(positions[:, 2])
    if any(isinstance(c, FixLayer) for c in constraints):
        constraints = [FixLayer(-1.0, positions[1, 2]), *constraints[1:]]
    assert freedom_of(constraints, positions, MASSES, integrator, isolated=isolated).dof == dof


def test_a_single_atom_has_a_temperature():
    assert freedom_of([], POSITIONS[:1], MASSES[:1], VelocityVerlet()).dof == 1


@partial(jax.jit, static_argnums=0)
def _run_many(integrator, freedom, around, keys):
    start = jnp.asarray(POSITIONS, jnp.float32)
    zero = jnp.zeros_like(start)
    moving = Moving(start, zero, zero, jnp.zeros((3, 3)), jnp.eye(3), ())
    moving = moving._replace(extra=integrator.init(moving, around))
    moving = project(freedom, around.masses, moving)

    def run(key):
        def step(now, k):
            here = around._replace(step=k, key=key)
            now = project(freedom, around.masses, integrator.before(now, here))
            now = now._replace(forces=-1.0 * (now.positions - moving.positions))
            return project(freedom, around.masses, integrator.after(now, here)), None

        return jax.lax.scan(step, moving, jnp.arange(150))[0]

    return jax.vmap(run)(keys)


@pytest.mark.parametrize(
    "constraints",
    [
        [FixCenterOfMass("origin")],
        [FixCenterOfMass((1.0, 2.0, 3.0))],
        [FixAtoms((1, 2))],
        [FixLayer(-1.0, 4.0), FixCenterOfMass()],
    ],
)
def test_temperature_is_not_biased_and_what_is_fixed_stays(constraints):
    """Oscillators with noise: twice the kinetic energy is dof kT, whatever is fixed."""
    integrator = Langevin(friction_per_ps=50.0)
    freedom = freedom_of(constraints, POSITIONS, MASSES, integrator)
    masses = jnp.asarray(MASSES[:, None], jnp.float32)
    around = Conditions(
        timestep=jnp.float32(2.0 * FS), thermal_energy=jnp.float32(KT),
        pressure=jnp.float32(0.0), masses=masses,
        mobile=jnp.asarray(freedom.mobile, jnp.float32), dof=freedom.dof, key=jax.random.key(0),
        step=0,
    )  # fmt: skip
    replicas = 400
    keys = jax.random.split(jax.random.key(1), replicas)
    end = _run_many(integrator, freedom._replace(momentum_free=True), around, keys)
    twice = np.sum(np.asarray(masses) * np.asarray(end.velocities) ** 2, axis=(1, 2)) / KT
    # Four standard errors of a mean of chi-square numbers.
    assert twice.mean() == pytest.approx(freedom.dof, abs=4 * np.sqrt(2 * freedom.dof / replicas))
    fixed = np.asarray(freedom.mobile[:, 0]) == 0
    same = np.broadcast_to(POSITIONS.astype(np.float32), end.positions.shape)
    np.testing.assert_array_equal(np.asarray(end.positions)[:, fixed], same[:, fixed])
    if np.isfinite(freedom.center).all():
        center = np.einsum("n,rna->ra", MASSES * ~fixed, end.positions) / MASSES[~fixed].sum()
        np.testing.assert_allclose(center, np.tile(freedom.center, (replicas, 1)), atol=1e-5)


def test_projection_does_nothing_where_no_centre_is_held():
    freedom = freedom_of([FixAtoms((0,))], POSITIONS, MASSES, Langevin())
    array = jnp.asarray(POSITIONS, jnp.float32)
    moving = Moving(array, array, array, jnp.zeros((3, 3)), jnp.eye(3), ())
    same = project(freedom, jnp.asarray(MASSES[:, None], jnp.float32), moving)
    np.testing.assert_array_equal(same.positions, array)
    np.testing.assert_array_equal(same.velocities, array)


def test_start_velocities_obey_the_constraints():
    velocities = np.random.default_rng(2).normal(size=(N, 3))
    still = without_drift(freedom_of([], POSITIONS, MASSES, VelocityVerlet()), MASSES, velocities)
    np.testing.assert_allclose(MASSES @ still, 0.0, atol=1e-12)
    same = without_drift(freedom_of([], POSITIONS, MASSES, Langevin()), MASSES, velocities)
    np.testing.assert_array_equal(same, velocities)
    fixed = freedom_of([FixAtoms((1,))], POSITIONS, MASSES, VelocityVerlet())
    some = without_drift(fixed, MASSES, velocities)
    np.testing.assert_array_equal(some[1], 0.0)
    np.testing.assert_array_equal(np.delete(some, 1, 0), np.delete(velocities, 1, 0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixAtoms(()), "indices must be whole numbers of atoms, at least one"),
        (lambda: FixAtoms((1.5,)), "indices must be whole numbers"),
        (lambda: FixLayer(2.0, 1.0), "lower must not exceed upper"),
        (lambda: FixCenterOfMass("middle"), "position must be 'initial', 'origin' or three"),
        (lambda: FixCenterOfMass((1.0, 2.0)), "position must be 'initial', 'origin' or three"),
    ],
)
def test_wrong_specs_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("constraints", "integrator", "message"),
    [
        ([FixAtoms((6,))], Langevin(), r"indices must lie below the 6 atoms .* received \[6\]"),
        ([FixLayer(90.0, 91.0)], Langevin(), "lower and upper must enclose at least one atom"),
        ([FixAtoms((0,))], CellRescaling(), "fixed atoms must not be combined with a changing"),
        ([FixAtoms(range(6))], Langevin(), "constraints must leave an atom free"),
        (
            [FixCenterOfMass("origin"), FixCenterOfMass((1, 0, 0))],
            Langevin(),
            "the centre of mass must be held at one place",
        ),
        ([FixAtoms((0,)), FixCenterOfMass("origin")], Langevin(), "position must be 'initial'"),
    ],
)
def test_what_does_not_fit_is_refused(constraints, integrator, message):
    with pytest.raises(ValueError, match=message):
        freedom_of(constraints, POSITIONS, MASSES, integrator)
