"""One epoch of training and validation as one compiled function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from nodes.numerics.fit.config import FitConfig, LossName
from nodes.numerics.fit.losses import ensemble_mean_std, loss_function
from nodes.numerics.fit.packing import Dataset
from nodes.numerics.potentials.model import EnergyModel

__all__ = [
    "EpochMetrics", "EpochProgram", "FitState", "Rates", "Sums", "initial_state", "metrics_of",
    "run_epoch",
]  # fmt: skip

Tree = Any


class EpochProgram(NamedTuple):
    """What is fixed at compile time."""

    model: EnergyModel
    batch_size: int
    loss: LossName
    forces_loss: LossName
    members: bool

    @classmethod
    def of(cls, model: EnergyModel, config: FitConfig) -> EpochProgram:
        """Program for a model and a config."""
        return cls(model, config.batch_size, config.loss, config.forces_loss, config.needs_members)


class Rates(NamedTuple):
    """Numbers of a config that share one compiled program; see `FitConfig`."""

    learning_rate: float
    radial_learning_rate: float
    scale_shift_learning_rate: float
    energy_weight: float
    forces_weight: float
    huber_delta: float
    ema: float
    max_gradient_norm: float
    n_steps: int

    @classmethod
    def of(cls, config: FitConfig, n_structures: int) -> Rates:
        """Rates for a config and the number of structures to train on."""
        usual, radial = config.learning_rate, config.radial_learning_rate
        scale_shift = config.scale_shift_learning_rate
        return cls(
            usual,
            usual if radial is None else radial,
            usual if scale_shift is None else scale_shift,
            config.energy_weight,
            config.forces_weight,
            config.huber_delta,
            config.ema,
            config.max_gradient_norm,
            config.n_epochs * -(-n_structures // config.batch_size),
        )


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


def initial_state(weights: Tree) -> FitState:
    """State before the first step."""
    weights = jax.tree.map(jnp.array, weights)
    optimizer = _optimizer(1.0).init(weights)
    return FitState(weights, jax.tree.map(jnp.array, weights), optimizer, jnp.zeros((), jnp.int32))


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def run_epoch(
    program: EpochProgram,
    rates: Rates,
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
    score = partial(_sums, program, rates.huber_delta, constants)

    def objective(weights: Tree, batch: Dataset, share: jax.Array) -> tuple[jax.Array, Sums]:
        sums = score(weights, batch, share)
        return _loss(rates, sums), sums

    def step(state: FitState, pick: tuple[jax.Array, jax.Array]) -> tuple[FitState, Sums]:
        batch = jax.tree.map(lambda leaf: leaf[pick[0]], train)
        gradient, sums = jax.grad(objective, has_aux=True)(state.weights, batch, pick[1])
        updates, optimizer = _optimizer(rates.max_gradient_norm).update(gradient, state.optimizer)
        weights = optax.apply_updates(state.weights, _scaled(rates, state.step, updates))
        # Early on the average follows closely, so that it forgets the initial weights.
        decay = jnp.minimum(rates.ema, (1.0 + state.step) / (10.0 + state.step))
        average = jax.tree.map(lambda a, w: a + (1.0 - decay) * (w - a), state.average, weights)
        return FitState(weights, average, optimizer, state.step + 1), sums

    order = jax.random.permutation(key, len(train))
    state, steps = jax.lax.scan(step, state, _batches(order, program.batch_size))
    trained = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), steps)
    if valid is None:
        return state, trained, None

    def validate(pick: tuple[jax.Array, jax.Array]) -> Sums:
        batch = jax.tree.map(lambda leaf: leaf[pick[0]], valid)
        return score(state.average, batch, pick[1])

    scored = jax.lax.map(validate, _batches(jnp.arange(len(valid)), program.batch_size))
    return state, trained, jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), scored)


def metrics_of(rates: Rates, epoch: int, train: Sums, valid: Sums | None) -> EpochMetrics:
    """Metrics from sums, on the host."""
    train_loss = float(_loss(rates, train))
    if valid is None:
        return EpochMetrics(epoch, train_loss)
    energies = max(float(valid.n_energies), 1.0)
    components = max(float(valid.n_components), 1.0)
    return EpochMetrics(
        epoch,
        train_loss,
        float(_loss(rates, valid)),
        float(valid.energy_absolute) / energies,
        (float(valid.energy_square) / energies) ** 0.5,
        float(valid.forces_absolute) / components,
        (float(valid.forces_square) / components) ** 0.5,
    )


def _sums(
    program: EpochProgram,
    huber_delta: jax.Array | float,
    constants: Tree,
    weights: Tree,
    batch: Dataset,
    share: jax.Array,
) -> Sums:
    """Sums over a batch; ``share`` (b,) is 0 for structures that only fill it up."""
    params = {"weights": weights, "constants": constants}
    result = program.model.evaluate(params, batch.graph, members=program.members)
    present = (batch.graph.species >= 0).astype(batch.energy.dtype)
    n_atoms = jnp.sum(present, axis=1)
    mean, std = ensemble_mean_std(result.energies, axis=-1)
    error = (mean - batch.energy) / n_atoms
    energy_loss = loss_function(program.loss, huber_delta)(error, std / n_atoms)
    energy_share = share * batch.energy_known

    forces_std = jnp.ones_like(result.forces)
    if result.member_forces is not None:
        forces_std = ensemble_mean_std(result.member_forces, axis=0)[1]
    deviation = result.forces - batch.forces
    forces_loss = loss_function(program.forces_loss, huber_delta)(deviation, forces_std)
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


def _loss(rates: Rates, sums: Sums) -> jax.Array:
    energy = sums.energy_loss / jnp.maximum(sums.n_energies, 1.0)
    forces = sums.forces_loss / jnp.maximum(sums.n_components, 1.0)
    return rates.energy_weight * energy + rates.forces_weight * forces


def _batches(order: jax.Array, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Indices (n_batches, batch_size) and shares: 1, or 0 where the last batch is filled up."""
    n_batches = -(-len(order) // batch_size)
    missing = n_batches * batch_size - len(order)
    pick = jnp.concatenate([order, jnp.zeros(missing, order.dtype)])
    share = jnp.concatenate([jnp.ones(len(order)), jnp.zeros(missing)])
    return pick.reshape(n_batches, batch_size), share.reshape(n_batches, batch_size)


def _optimizer(max_gradient_norm: float) -> optax.GradientTransformation:
    """Adam without its learning rate, which `_scaled` applies."""
    return optax.chain(optax.clip_by_global_norm(max_gradient_norm), optax.scale_by_adam(b2=0.99))


def _scaled(rates: Rates, step: jax.Array, updates: Tree) -> Tree:
    """Updates times minus the learning rate of their group at this step."""
    warm_up = jnp.maximum(rates.n_steps // 50, 1)
    rest = jnp.maximum(rates.n_steps - warm_up, 1)
    progress = jnp.clip((step + 1 - warm_up) / rest, 0.0, 1.0)
    schedule = jnp.minimum((step + 1) / warm_up, 0.5 * (1.0 + jnp.cos(jnp.pi * progress)))
    groups = {
        "radial": rates.radial_learning_rate,
        "layers": rates.learning_rate,
        "scale": rates.scale_shift_learning_rate,
        "shift": rates.scale_shift_learning_rate,
    }
    return {
        name: jax.tree.map(lambda u, rate=groups[name]: -rate * schedule * u, group)
        for name, group in updates.items()
    }
