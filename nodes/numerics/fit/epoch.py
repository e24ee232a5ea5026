"""Steps of training and validation, each a compiled loop over batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.objective import (
    Coefficients,
    Objective,
    Sums,
    predict,
    score,
    value_and_gradient,
)
from nodes.numerics.fit.optimizers import clipped, grouped
from nodes.numerics.fit.packing import Dataset, take
from nodes.numerics.fit.plan import Plan
from nodes.numerics.potentials.model import EnergyModel

__all__ = [
    "FitState", "Numbers", "Pace", "Program", "compilations", "initial_state", "run_training",
    "run_validation",
]  # fmt: skip

Tree = Any


class Program(NamedTuple):
    """What is fixed at compile time.

    Attributes
    ----------
    objective : Objective
    optimizer : str
    settings : tuple of (name, value)
        Of the optimizer.
    groups : tuple of int
        Group of equal learning rate of each leaf of the weights.
    mesh : Mesh or None
        Devices that share each batch.
    """

    objective: Objective
    optimizer: str
    settings: tuple[tuple[str, Any], ...]
    groups: tuple[int, ...]
    mesh: Mesh | None

    @classmethod
    def of(
        cls, model: EnergyModel, config: FitConfig, groups: tuple[int, ...], mesh: Mesh | None
    ) -> Program:
        """Program for a model and a config."""
        name, settings = config.optimizer.name, tuple(dict(config.optimizer.kwargs).items())
        return cls(Objective.of(model, config), name, settings, groups, mesh)


class Numbers(NamedTuple):
    """Numbers of a config that share one compiled program."""

    coefficients: Coefficients
    max_value: jax.Array
    max_norm: jax.Array

    @classmethod
    def of(cls, config: FitConfig) -> Numbers:
        """Numbers of a config."""
        limits = (config.optimizer.max_value, config.optimizer.max_norm)
        given = (jnp.array(np.inf if limit is None else limit) for limit in limits)
        return cls(Coefficients.of(config), *given)


class Pace(NamedTuple):
    """How fast weights and their average change, step by step.

    Attributes
    ----------
    rates : (n_steps, n_groups)
        Learning rates.
    decay : (n_steps,)
        Of the average.
    """

    rates: Any
    decay: Any


class FitState(NamedTuple):
    """What training carries from step to step."""

    weights: Tree
    average: Tree
    optimizer: Tree


def initial_state(program: Program, weights: Tree) -> FitState:
    """State before the first step."""
    weights = jax.tree.map(jnp.array, weights)
    rates = np.ones(len(set(program.groups)))
    rule = grouped(program.optimizer, program.settings, program.groups, rates, weights)
    state = FitState(weights, jax.tree.map(jnp.array, weights), rule.init(weights))
    return state if program.mesh is None else jax.device_put(state, _everywhere(program.mesh))


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def run_training(
    program: Program,
    numbers: Numbers,
    state: FitState,
    constants: Tree,
    datasets: tuple[Dataset, ...],
    plan: Plan,
    pace: Pace,
) -> tuple[FitState, Sums]:
    """Take the steps of a plan.

    Returns
    -------
    FitState
    Sums
        Of each step, while the weights change.
    """
    differentiate = partial(value_and_gradient, program.objective, numbers.coefficients)

    def step(state: FitState, now: tuple[Plan, Pace]) -> tuple[FitState, Sums]:
        batch, pace = now

        def of(dataset: Dataset) -> tuple[Sums, Tree]:
            picked = _shared(program.mesh, take(dataset, batch.rows, batch.share))
            return differentiate(state.weights, constants, picked)

        branches = [partial(of, dataset) for dataset in datasets]
        sums, gradient = _branch(batch.shape, branches)
        gradient = clipped(gradient, program.groups, numbers.max_value, numbers.max_norm)
        rule = grouped(
            program.optimizer, program.settings, program.groups, pace.rates, state.weights
        )
        updates, optimizer = rule.update(gradient, state.optimizer, state.weights)
        weights = optax.apply_updates(state.weights, updates)
        average = jax.tree.map(
            lambda a, w: (a + (1.0 - pace.decay) * (w - a)).astype(w.dtype), state.average, weights
        )
        return FitState(weights, average, optimizer), sums

    return jax.lax.scan(step, state, (plan, pace))


@partial(jax.jit, static_argnums=(0, 1))
def run_validation(
    objective: Objective,
    mesh: Mesh | None,
    numbers: Numbers,
    weights: Tree,
    constants: Tree,
    datasets: tuple[Dataset, ...],
    plan: Plan,
) -> Sums:
    """Sums of each step of a plan, without training."""

    def step(batch: Plan) -> Sums:
        def of(dataset: Dataset) -> Sums:
            picked = _shared(mesh, take(dataset, batch.rows, batch.share))
            evaluation = predict(objective, weights, constants, picked)
            return score(objective, numbers.coefficients, evaluation, picked)[1]

        branches = [partial(of, dataset) for dataset in datasets]
        return _branch(batch.shape, branches)

    return jax.lax.map(step, plan)


def compilations() -> int:
    """How often training and validation have been compiled in this process."""
    programs: tuple[Any, ...] = (run_training, run_validation)
    return sum(program._cache_size() for program in programs)


def _branch(shape: Any, branches: Sequence[Callable[[], Any]]) -> Any:
    """Compute with the data set of one shape."""
    return branches[0]() if len(branches) == 1 else jax.lax.switch(shape, branches)


def _shared(mesh: Mesh | None, batch: Dataset) -> Dataset:
    """Divide a batch among the devices."""
    if mesh is None:
        return batch
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
    return jax.lax.with_sharding_constraint(batch, sharding)


def _everywhere(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())
