"""From gradients to new weights: optimizers of optax by name, in groups of learning rates."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from nodes.numerics.fit.parameters import FROZEN

__all__ = ["clipped", "grouped", "optimizer_named"]

Tree = Any
Settings = tuple[tuple[str, Any], ...]


def optimizer_named(name: str, settings: Settings, rate: Any) -> optax.GradientTransformation:
    """Optimizer with a learning rate, which may be traced.

    Raises
    ------
    ValueError
        If there is no such optimizer, or it has no such settings.
    """
    if name == "sam":
        return _sam(rate, **dict(settings))
    make = getattr(optax, name, None) or getattr(optax.contrib, name, None)
    known = inspect.signature(make).parameters if callable(make) else {}
    if make is None or "learning_rate" not in known:
        raise ValueError(
            f"optimizer must be the name of one in optax or optax.contrib, received {name!r}"
        )
    unknown = [setting for setting, _ in settings if setting not in known]
    if unknown:
        raise ValueError(f"settings of {name!r} must be among {list(known)}, received {unknown}")
    return cast("optax.GradientTransformation", make(learning_rate=rate, **dict(settings)))


def grouped(
    name: str, settings: Settings, groups: Sequence[int], rates: Any, weights: Tree
) -> optax.GradientTransformation:
    """One optimizer per group of leaves; frozen leaves are left alone.

    Parameters
    ----------
    groups : sequence of int
        Of each leaf of ``weights``.
    rates : (n_groups,)
        Learning rates of this step.
    """
    labels = jax.tree.unflatten(jax.tree.structure(weights), list(groups))
    rules = {g: optimizer_named(name, settings, rates[g]) for g in set(groups) - {FROZEN}}
    return optax.multi_transform({**rules, FROZEN: optax.set_to_zero()}, labels)


def clipped(gradient: Tree, groups: Sequence[int], max_value: Any, max_norm: Any) -> Tree:
    """Gradient without frozen leaves, clipped by component and then by its norm."""
    leaves, structure = jax.tree.flatten(gradient)
    types = [leaf.dtype for leaf in leaves]
    leaves = [
        jnp.zeros_like(leaf) if group == FROZEN else jnp.clip(leaf, -max_value, max_value)
        for leaf, group in zip(leaves, groups, strict=True)
    ]
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves))
    factor = jnp.minimum(1.0, max_norm / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny))
    scaled = [(factor * leaf).astype(t) for leaf, t in zip(leaves, types, strict=True)]
    return jax.tree.unflatten(structure, scaled)


def _sam(
    rate: Any, b1: float = 0.9, b2: float = 0.999, rho: float = 0.001, sync_period: int = 2
) -> optax.GradientTransformation:
    """Sharpness-aware minimisation: P. Foret et al., ICLR (2021); Adam outside."""
    adversary = optax.chain(optax.contrib.normalize(), optax.sgd(rho))
    return optax.contrib.sam(optax.adam(rate, b1=b1, b2=b2), adversary, sync_period=sync_period)
