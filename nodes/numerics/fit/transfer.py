"""Take over what another model has learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.fit.config import FitConfig, Transfer
from nodes.numerics.fit.parameters import matches, parameter_names, require_matches
from nodes.numerics.fit.scale_shift import ElementEnergies, Regression, composition, regress
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.structures import Structure

__all__ = ["transfer"]


def transfer(
    model: EnergyModel,
    fresh: Params,
    source_model: EnergyModel,
    source: Params,
    structures: Sequence[Structure],
    config: FitConfig,
) -> tuple[Params, bool]:
    """Parameters of ``model`` with what ``config.transfer`` takes from another one.

    Parameters
    ----------
    fresh : Params
        Of ``model``, with scales and reference energies of the structures.
    source_model, source
        The other model and its parameters.

    Returns
    -------
    Params
    bool
        Whether the representation is that of the other model throughout, and with it the
        statistics of its features.

    Raises
    ------
    ValueError
        If parameters differ in shape for another reason than the elements, or a pattern fits
        nothing.
    """
    rules, new = config.transfer, _new_elements(model, source_model)
    weights = _merged(model, fresh["weights"], source_model, source["weights"], rules)
    if rules.refit_scale:
        weights = {**weights, "scale": fresh["weights"]["scale"]}
    names = [n for n in parameter_names(weights) if matches(n, ("representation",))]
    kept = all(_is_taken(name, rules) for name in names)
    constants = dict(fresh["constants"])
    if kept:
        constants |= {k: v for k, v in source["constants"].items() if k != "reference"}
    reference = np.array(fresh["constants"]["reference"], np.float64)
    old = np.asarray(source["constants"]["reference"], np.float64)
    reference[~new] = old[_places(model, source_model)[~new]]
    params = {"weights": weights, "constants": constants | {"reference": reference}}
    if rules.refit_shift or (new.any() and not isinstance(config.shift, ElementEnergies)):
        chosen = np.full_like(new, True) if rules.refit_shift else new
        constants |= {"reference": _refitted(model, params, structures, config, chosen)}
        params = {"weights": weights, "constants": constants}
    return params, kept


def _is_taken(name: str, rules: Transfer) -> bool:
    return matches(name, rules.load) and not matches(name, rules.reset)


def _new_elements(model: EnergyModel, source: EnergyModel) -> np.ndarray:
    return ~np.isin(model.config.elements, source.config.elements)


def _places(model: EnergyModel, source: EnergyModel) -> np.ndarray:
    """Index of each element among those of the other model; 0 if it is not there."""
    known = source.config.elements
    return np.array([known.index(z) if z in known else 0 for z in model.config.elements])


def _merged(
    model: EnergyModel, fresh: Any, source_model: EnergyModel, source: Any, rules: Transfer
) -> Any:
    names, leaves = parameter_names(fresh), jax.tree.leaves(fresh)
    theirs = dict(zip(parameter_names(source), jax.tree.leaves(source), strict=True))
    require_matches("load", rules.load, tuple(theirs))
    require_matches("reset", rules.reset, names)
    by_element = _element_axes(model, fresh)
    common = np.flatnonzero(~_new_elements(model, source_model))
    places = _places(model, source_model)[common]
    merged = []
    for name, leaf, axes in zip(names, leaves, by_element, strict=True):
        if name not in theirs or not _is_taken(name, rules):
            merged.append(leaf)
            continue
        other = np.asarray(theirs[name])
        _check_shape(name, np.shape(leaf), other.shape, axes)
        to = np.ix_(*(common if a in axes else np.arange(n) for a, n in enumerate(leaf.shape)))
        of = np.ix_(*(places if a in axes else np.arange(n) for a, n in enumerate(other.shape)))
        values = np.array(leaf)
        values[to] = other[of]
        merged.append(jnp.asarray(values, leaf.dtype))
    return jax.tree.unflatten(jax.tree.structure(fresh), merged)


def _element_axes(model: EnergyModel, weights: Any) -> list[tuple[int, ...]]:
    """Which axes of each leaf run over elements: those that grow with one more of them."""
    elements = model.config.elements
    one_more = next(z for z in range(1, 119) if z not in elements)
    grown = EnergyModel(dataclasses.replace(model.config, elements=(*elements, one_more)))
    shapes = jax.eval_shape(grown.init, jax.random.key(0))["weights"]
    return [
        tuple(a for a, (m, n) in enumerate(zip(leaf.shape, more.shape, strict=True)) if m != n)
        for leaf, more in zip(jax.tree.leaves(weights), jax.tree.leaves(shapes), strict=True)
    ]


def _check_shape(
    name: str, shape: tuple[int, ...], other: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    alike = len(shape) == len(other) and all(
        m == n for a, (m, n) in enumerate(zip(shape, other, strict=True)) if a not in axes
    )
    if not alike:
        raise ValueError(
            f"{name} must have the shape of the initial model {other}, received {shape}; "
            f"change the model, or name it in Transfer.reset"
        )


def _refitted(
    model: EnergyModel,
    params: Params,
    structures: Sequence[Structure],
    config: FitConfig,
    chosen: np.ndarray,
) -> np.ndarray:
    """Reference energies with those of the chosen elements from what all else leaves over."""
    elements = model.config.elements
    if isinstance(config.shift, ElementEnergies):
        return config.shift(structures, elements)
    reference = np.where(chosen, 0.0, params["constants"]["reference"])
    partly = {**params, "constants": {**params["constants"], "reference": reference}}
    labelled = [s for s in structures if s.energy is not None]
    if not labelled:
        return reference
    counts, energies = composition(labelled, elements)
    predicted = np.array([p.energy for p in model.predict_many(partly, labelled)])
    concerned = counts[:, chosen].sum(axis=1) > 0
    ridge = config.shift.regularisation if isinstance(config.shift, Regression) else 0.0
    left = (energies - predicted)[concerned]
    reference[chosen] = regress(counts[concerned][:, chosen], left, ridge)
    return reference
