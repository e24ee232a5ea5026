"""One epoch of training and validation as one compiled function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.losses import ensemble_mean_std, loss_function
from nodes.numerics.fit.packing import Dataset
from nodes.numerics.potentials.model import EnergyModel

__all__ = ["EpochMetrics", "FitState", "Sums", "initial_state", "metrics_of", "run_epoch"]

Tree = Any


class FitState(NamedTuple):
    """What training carries from step to step."""

    weights: Tree
    average: Tree
    optimizer: Tree
    step: jax.Array


class Sums(NamedTuple):
    """Sums over structures and over force components, from which all metrics follow."""

    energy_loss: jax.Array
    energy_absolute: jax.Array
    energy_square: jax.Array
    n_energies: jax.Array
    forces_loss: jax.Array
    forces_absolute: jax.Array
    forces_square: jax.Array
    n_components: jax.Array


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one epoch, of each structure and each force component with equal weight.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    train_loss : float
        Average over the epoch, while the weights change.
    valid_loss : float or None
        Of the averaged weights; None without validation structures, as all below.
    energy_mae_ev_per_atom, energy_rmse_ev_per_atom : float or None
    forces_mae_ev_per_angstrom, forces_rmse_ev_per_angstrom : float or None
        Over components.
    """

    epoch: int
    train_loss: float
    valid_loss: float | None = None
    energy_mae_ev_per_atom: float | None = None
    energy_rmse_ev_per_atom: float | None = None
    forces_mae_ev_per_angstrom: float | None = None
    forces_rmse_ev_per_angstrom: float | None = None


def initial_state(weights: Tree, config: FitConfig, n_structures: int) -> FitState:
    """State before the first step."""
    weights = jax.tree.map(jnp.array, weights)
    optimizer = _optimizer(config, n_structures).init(weights)
    return FitState(weights, jax.tree.map(jnp.array, weights), optimizer, jnp.zeros((), jnp.int32))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def run_epoch(
    model: EnergyModel,
    config: FitConfig,
    state: FitState,
    constants: Tree,
    key: jax.Array,
    train: Dataset,
    valid: Dataset | None,
) -> tuple[FitState, Sums, Sums | None]:
    """Train on every structure once, in an order given by ``key``; then validate.

    Returns
    -------
    FitState
    Sums
        Of training.
    Sums or None
        Of the averaged weights on ``valid``.
    """
    train_sums = partial(_sums, model, config, constants)
    update = _optimizer(config, len(train)).update

    def objective(weights: Tree, batch: Dataset, share: jax.Array) -> tuple[jax.Array, Sums]:
        sums = train_sums(weights, batch, share)
        return _loss(config, sums), sums

    def step(state: FitState, pick: tuple[jax.Array, jax.Array]) -> tuple[FitState, Sums]:
        batch = jax.tree.map(lambda leaf: leaf[pick[0]], train)
        gradient, sums = jax.grad(objective, has_aux=True)(state.weights, batch, pick[1])
        updates, optimizer = update(gradient, state.optimizer, state.weights)
        weights = optax.apply_updates(state.weights, _grouped(config, updates))
        # Early on the average follows closely, so that it forgets the initial weights.
        decay = jnp.minimum(config.ema, (1.0 + state.step) / (10.0 + state.step))
        average = jax.tree.map(lambda a, w: a + (1.0 - decay) * (w - a), state.average, weights)
        return FitState(weights, average, optimizer, state.step + 1), sums

    order = jax.random.permutation(key, len(train))
    state, steps = jax.lax.scan(step, state, _batches(order, config.batch_size))
    trained = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), steps)
    if valid is None:
        return state, trained, None

    def score(pick: tuple[jax.Array, jax.Array]) -> Sums:
        batch = jax.tree.map(lambda leaf: leaf[pick[0]], valid)
        return train_sums(state.average, batch, pick[1])

    scored = jax.lax.map(score, _batches(jnp.arange(len(valid)), config.batch_size))
    return state, trained, jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), scored)


def metrics_of(config: FitConfig, epoch: int, train: Sums, valid: Sums | None) -> EpochMetrics:
    """Metrics from sums, on the host."""
    train_loss = float(_loss(config, train))
    if valid is None:
        return EpochMetrics(epoch, train_loss)
    energies = max(float(valid.n_energies), 1.0)
    components = max(float(valid.n_components), 1.0)
    return EpochMetrics(
        epoch,
        train_loss,
        float(_loss(config, valid)),
        float(valid.energy_absolute) / energies,
        (float(valid.energy_square) / energies) ** 0.5,
        float(valid.forces_absolute) / components,
        (float(valid.forces_square) / components) ** 0.5,
    )


def _sums(
    model: EnergyModel,
    config: FitConfig,
    constants: Tree,
    weights: Tree,
    batch: Dataset,
    share: jax.Array,
) -> Sums:
    """Sums over a batch; ``share`` (b,) is 0 for structures that only fill it up."""
    params = {"weights": weights, "constants": constants}
    result = model.evaluate(params, batch.graph, members=config.needs_members)
    present = (batch.graph.species >= 0).astype(batch.energy.dtype)
    n_atoms = jnp.sum(present, axis=1)
    mean, std = ensemble_mean_std(result.energies, axis=-1)
    error = (mean - batch.energy) / n_atoms
    energy_loss = loss_function(config.loss, config.huber_delta)(error, std / n_atoms)
    energy_share = share * batch.energy_known

    forces_std = jnp.ones_like(result.forces)
    if result.member_forces is not None:
        forces_std = ensemble_mean_std(result.member_forces, axis=0)[1]
    deviation = result.forces - batch.forces
    forces_loss = loss_function(config.forces_loss, config.huber_delta)(deviation, forces_std)
    forces_share = (share * batch.forces_known)[:, None, None] * present[..., None]
    return Sums(
        jnp.sum(energy_share * energy_loss),
        jnp.sum(energy_share * jnp.abs(error)),
        jnp.sum(energy_share * error**2),
        jnp.sum(energy_share),
        jnp.sum(forces_share * forces_loss),
        jnp.sum(forces_share * jnp.abs(deviation)),
        jnp.sum(forces_share * deviation**2),
        3.0 * jnp.sum(forces_share),
    )


def _loss(config: FitConfig, sums: Sums) -> jax.Array:
    energy = sums.energy_loss / jnp.maximum(sums.n_energies, 1.0)
    forces = sums.forces_loss / jnp.maximum(sums.n_components, 1.0)
    return config.energy_weight * energy + config.forces_weight * forces


def _batches(order: jax.Array, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Indices (n_batches, batch_size) and shares: 1, or 0 where the last batch is filled up."""
    n_batches = -(-len(order) // batch_size)
    missing = n_batches * batch_size - len(order)
    pick = jnp.concatenate([order, jnp.zeros(missing, order.dtype)])
    share = jnp.concatenate([jnp.ones(len(order)), jnp.zeros(missing)])
    return pick.reshape(n_batches, batch_size), share.reshape(n_batches, batch_size)


def _optimizer(config: FitConfig, n_structures: int) -> optax.GradientTransformation:
    n_steps = config.n_epochs * -(-n_structures // config.batch_size)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, max(1, n_steps // 50), max(2, n_steps)
    )
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm),
        optax.adam(schedule, b2=0.99),
    )


def _grouped(config: FitConfig, updates: Tree) -> Tree:
    """Scale the updates of each group of weights to its own learning rate."""
    rates = {
        "radial": config.radial_learning_rate,
        "scale": config.scale_shift_learning_rate,
        "shift": config.scale_shift_learning_rate,
    }

    def factor(name: str) -> float:
        rate = rates.get(name)
        return 1.0 if rate is None else rate / config.learning_rate

    return {
        name: jax.tree.map(lambda u, name=name: u * factor(name), group)
        for name, group in updates.items()
    }
