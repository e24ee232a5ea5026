"""Systems of which much is known exactly, and a loop that moves them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.md.moving import Conditions, Moving
from nodes.numerics.md.spec_numbers import put_numbers, take_numbers
from nodes.numerics.units import FS

KT = 0.03


def free(positions, cell):
    """No forces at all."""
    return jnp.zeros((), positions.dtype)


def springs(constant, positions, cell):
    """Each atom bound to the origin; the cell takes no part."""
    return 0.5 * constant * jnp.sum(positions**2)


def dimers(constant, positions, cell):
    """Atoms 2k and 2k+1 joined by a spring of length zero: an ideal gas of molecules.

    With m molecules, whose total momentum is zero, volumes have the density V^(m-1) exp(-P V/kT).
    """
    return 0.5 * constant * jnp.sum((positions[::2] - positions[1::2]) ** 2)


def elastic_dimers(constant, stiffness, width, positions, cell):
    """Dimers in an elastic cube: its energy depends on the cell's singular values alone."""
    gram = cell @ cell.T / width**2
    elastic = stiffness / 8.0 * jnp.sum((gram - jnp.eye(3)) ** 2)
    return dimers(constant, positions, cell) + elastic


def pairs(positions, cell, height=0.4, width=1.2):
    """Gaussian repulsion between all atoms and their 26 nearest images each; anharmonic."""
    shifts = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = positions[:, None, None] - positions[None, :, None] + jnp.asarray(shifts) @ cell
    itself = np.eye(len(positions), dtype=bool)[:, :, None] & (np.abs(shifts).sum(-1) == 0)
    squares = jnp.sum(apart**2, axis=-1)
    return 0.5 * height * jnp.sum(jnp.where(itself, 0.0, jnp.exp(-squares / (2 * width**2))))


def evaluate(energy, positions, cell):
    """Energy, forces and the derivative by strain, all by automatic differentiation."""

    def strained(positions, strain):
        change = jnp.eye(3, dtype=positions.dtype) + strain
        return energy(positions @ change, cell @ change)

    strain = jnp.zeros((3, 3), positions.dtype)
    value, (by_positions, virial) = jax.value_and_grad(strained, argnums=(0, 1))(positions, strain)
    return value, -by_positions, virial


def conditions(masses, *, dof=None, timestep_fs=1.0, kt=KT, pressure=0.0, seed=0, dtype=None):
    """Conditions of step 0 for a system without constraints."""
    dtype = dtype or jnp.result_type(float)
    masses = jnp.asarray(masses, dtype).reshape(-1, 1)
    return Conditions(
        timestep=jnp.asarray(timestep_fs * FS, dtype),
        thermal_energy=jnp.asarray(kt, dtype),
        pressure=jnp.asarray(pressure, dtype),
        masses=masses,
        mobile=jnp.ones((len(masses), 3), dtype),
        dof=jnp.asarray(3 * len(masses) if dof is None else dof, dtype),
        key=jax.random.key(seed),
        step=jnp.zeros((), jnp.int32),
    )


_evaluate = jax.jit(lambda energy, *where: evaluate(energy, *where), static_argnums=0)


def start(energy, integrator, around, positions, velocities, cell=None):
    """A system at step 0."""
    positions, velocities = jnp.asarray(positions), jnp.asarray(velocities)
    cell = jnp.eye(3, dtype=positions.dtype) * 10.0 if cell is None else jnp.asarray(cell)
    _, forces, virial = _evaluate(energy, positions, cell)
    moving = Moving(positions, velocities, forces, virial, cell, ())
    return moving._replace(extra=integrator.init(moving, around))


def step_once(energy, integrator, around, moving):
    """One step, and the energy after it."""
    moving = integrator.before(moving, around)
    value, forces, virial = evaluate(energy, moving.positions, moving.cell)
    return integrator.after(moving._replace(forces=forces, virial=virial), around), value


N_SEEN = 100


def simulate(energy, integrator, around, moving, n_steps, n_seen=N_SEEN):
    """Move on by ``n_steps``; also ``n_seen`` times what `see` gives.

    Neither the numbers of integrators nor that of steps are part of the compiled program.
    """
    assert n_steps % n_seen == 0
    skeleton, numbers = take_numbers(integrator)
    return _simulate(energy, skeleton, n_seen, numbers, n_steps // n_seen, around, moving)


def simulate_many(energy, integrator, around, moving, n_steps, n_seen=N_SEEN):
    """The same for replicas with a leading axis of ``moving``, each with noise of its own."""
    assert n_steps % n_seen == 0
    skeleton, numbers = take_numbers(integrator)
    return _simulate_many(energy, skeleton, n_seen, numbers, n_steps // n_seen, around, moving)


def see(integrator, moving, value, around):
    """What tests look at."""
    kinetic = jnp.einsum("n,na,nb->ab", around.masses[:, 0], moving.velocities, moving.velocities)
    return {
        "kinetic": 0.5 * jnp.trace(kinetic),
        "cell": moving.cell,
        "volume": jnp.abs(jnp.linalg.det(moving.cell)),
        "pressure_volume": kinetic - moving.virial,
        "conserved": integrator.conserved(moving, value, around),
        "square": jnp.mean(moving.positions**2),
    }


@partial(jax.jit, static_argnums=(0, 1, 2))
def _simulate(energy, skeleton, n_seen, numbers, every, around, moving):
    integrator = put_numbers(skeleton, numbers)

    def step(_, carry):
        moving, k, _ = carry
        moving, value = step_once(energy, integrator, around._replace(step=k), moving)
        return moving, k + 1, value

    def several(carry, _):
        carry = moving, k, value = jax.lax.fori_loop(0, every, step, carry)
        return carry, see(integrator, moving, value, around._replace(step=k))

    carry = (moving, around.step, jnp.zeros((), moving.positions.dtype))
    (moving, _, _), seen = jax.lax.scan(several, carry, None, length=n_seen)
    return moving, seen


@partial(jax.jit, static_argnums=(0, 1, 2))
def _simulate_many(energy, skeleton, n_seen, numbers, every, around, moving):
    keys = jax.random.split(around.key, len(moving.positions))

    def single(key, moving):
        mine = around._replace(key=key)
        return _simulate(energy, skeleton, n_seen, numbers, every, mine, moving)

    return jax.vmap(single)(keys, moving)


def start_many(energy, integrator, around, positions, velocities, cells):
    """Replicas at step 0."""
    single = partial(start, energy, integrator, around)
    return jax.vmap(single)(jnp.asarray(positions), jnp.asarray(velocities), jnp.asarray(cells))


def thermal_velocities(rng, masses, n_replicas=None, kt=KT, *, momentum=False):
    """Maxwell-Boltzmann velocities, with zero total momentum unless ``momentum``."""
    masses = np.asarray(masses, float).reshape(-1, 1)
    shape = (len(masses), 3) if n_replicas is None else (n_replicas, len(masses), 3)
    velocities = rng.normal(size=shape) * np.sqrt(kt / masses)
    if momentum:
        return velocities
    return velocities - np.sum(masses * velocities, axis=-2, keepdims=True) / masses.sum()


def elastic_moments(stiffness, width, n_molecules, pressure, kt=KT):
    """Exact mean volume and means of the gram matrix of `elastic_dimers`, by quadrature.

    Cells are ``k exp(diag(l)) k'`` with rotations k, k'; shapes that are equally probable
    beforehand have the density ``prod |sinh(l_i - l_j)|`` of l, and the rest is V^m exp(-H/kT).

    Returns
    -------
    volume, its standard deviation, mean of diagonal and mean square of off-diagonal elements
    """
    axis = np.linspace(-0.9, 0.9, 91)
    lengths = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    volumes = width**3 * np.exp(lengths.sum(-1))
    squares = np.exp(2 * lengths)
    energy = stiffness / 8 * np.sum((squares - 1) ** 2, -1) + pressure * volumes
    log_weight = n_molecules * np.log(volumes) - energy / kt
    weight = np.exp(log_weight - log_weight.max())
    for i, j in ((0, 1), (0, 2), (1, 2)):
        weight *= np.abs(np.sinh(lengths[:, i] - lengths[:, j]))
    weight /= weight.sum()
    mean = weight @ volumes
    spread = np.sqrt(weight @ (volumes - mean) ** 2)
    # Mean over all rotations k of a matrix with these eigenvalues.
    total, both = squares.sum(-1), (squares**2).sum(-1)
    return mean, spread, weight @ total / 3, weight @ ((3 * both - total**2) / 30)
