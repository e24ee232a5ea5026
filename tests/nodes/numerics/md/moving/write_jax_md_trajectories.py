"""Write the trajectories of jax-md that the integrators are compared with.

Run with the oracle's own environment: jax==0.10.1 jax-md==0.2.29 e3nn_jax equinox. Units are eV,
Angstrom, u. Only 1 and 7 Suzuki-Yoshida steps: its weights for 3 and 5 are not of fourth order.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax_md import simulate

jax.config.update("jax_enable_x64", True)
MASSES = np.array([4.0, 12.0, 12.0, 40.0])
KT, PRESSURE, DT, N_STEPS = 0.03, 0.002, 0.1, 200
SHIFTS = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), -1).reshape(-1, 3)


def energy(positions, box=None, perturbation=1.0, **_):
    """Gaussian repulsion, as `pairs` of reference_systems.py."""
    box = 5.0 * jnp.eye(3) if box is None else box
    positions, box = positions * perturbation, box * perturbation
    apart = positions[:, None, None] - positions[None, :, None] + jnp.asarray(SHIFTS) @ box
    itself = np.eye(len(MASSES), dtype=bool)[:, :, None] & (np.abs(SHIFTS).sum(-1) == 0)
    values = jnp.exp(-jnp.sum(apart**2, axis=-1) / (2 * 1.2**2))
    return 0.5 * 0.4 * jnp.sum(jnp.where(itself, 0.0, values))


def shift(positions, change, **_):
    return positions + change


def main():
    rng = np.random.default_rng(7)
    positions = 5.0 * rng.random((4, 3))
    velocities = rng.normal(size=(4, 3)) * np.sqrt(KT / MASSES)[:, None]
    for array in (positions, velocities):
        array -= MASSES @ array / MASSES.sum()
    momenta = jnp.asarray(MASSES[:, None] * velocities)
    found = {"positions": positions.tolist(), "velocities": velocities.tolist(), "runs": []}
    for sy_steps in (1, 7):
        chain = {"chain_length": 3, "chain_steps": 2, "sy_steps": sy_steps}
        key = jax.random.key(0)
        init, apply = simulate.nvt_nose_hoover(energy, shift, DT, KT, tau=5.0, **chain)
        state = init(key, jnp.asarray(positions), mass=jnp.asarray(MASSES), momenta=momenta)
        state = jax.jit(lambda s, f=apply: jax.lax.fori_loop(0, N_STEPS, lambda _, x: f(x), s))(
            state
        )
        run = {
            "kind": "nvt",
            "sy_steps": sy_steps,
            "positions": state.position.tolist(),
            "velocities": state.velocity.tolist(),
        }
        found["runs"].append(run)
        init, apply = simulate.npt_nose_hoover(
            energy,
            shift,
            DT,
            PRESSURE,
            KT,
            barostat_kwargs={**chain, "tau": 20.0},
            thermostat_kwargs={**chain, "tau": 5.0},
        )
        state = init(
            key, jnp.asarray(positions), 5.0 * jnp.eye(3), mass=jnp.asarray(MASSES), momenta=momenta
        )
        state = jax.jit(lambda s, f=apply: jax.lax.fori_loop(0, N_STEPS, lambda _, x: f(x), s))(
            state
        )
        run = {
            "kind": "npt",
            "sy_steps": sy_steps,
            "positions": state.position.tolist(),
            "velocities": state.velocity.tolist(),
            "cell": simulate.npt_box(state).tolist(),
        }
        found["runs"].append(run)
    path = Path(__file__).with_name("jax_md_trajectories.json")
    path.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
