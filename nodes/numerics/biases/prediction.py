"""What a potential with biases says of structures, on the host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.biases.evaluation import biased_evaluate, check_biases
from nodes.numerics.potentials.prediction import Prediction, batches, predictions_of, trim

if TYPE_CHECKING:
    from nodes.numerics.biases.records import Bias
    from nodes.numerics.potentials.graph import Graph
    from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params
    from nodes.numerics.structures import Structure

__all__ = ["predict_biased", "predict_one_biased"]


def predict_biased(
    model: EnergyModel,
    biases: Sequence[Bias],
    params: Params,
    structures: Sequence[Structure],
    *,
    batch_size: int = 8,
    members: bool = False,
) -> list[Prediction]:
    """`EnergyModel.predict_many` with biases.

    Parameters
    ----------
    members : bool
        Also ``forces_std`` and ``member_forces``.
    """
    chosen = check_biases(biases, model.config.n_members)
    predictions: list[Prediction | None] = [None] * len(structures)
    with model.scope():
        for rows, batch in batches(model, structures, batch_size=batch_size):
            positions = np.zeros((*batch.species.shape, 3))
            for place, row in enumerate(rows):
                positions[place, : len(structures[row])] = structures[row].positions
            found = _predict(model, chosen, params, batch, positions, members=members)
            for row, prediction in zip(rows, found, strict=False):
                predictions[row] = trim(model, prediction, len(structures[row]))
    return [prediction for prediction in predictions if prediction is not None]


def predict_one_biased(
    model: EnergyModel,
    biases: tuple[Bias, ...],
    params: Params,
    graph: Graph,
    positions: np.ndarray,
    *,
    members: bool = False,
) -> Prediction:
    """Prediction for the graph of one structure, without a batch axis, at positions (n, 3)."""
    with model.scope():
        batch = jax.tree.map(lambda leaf: leaf[None], graph)
        return _predict(model, biases, params, batch, positions[None], members=members)[0]


def _predict(
    model: EnergyModel,
    biases: tuple[Bias, ...],
    params: Params,
    batch: Graph,
    positions: np.ndarray,
    *,
    members: bool,
) -> list[Prediction]:
    place = None
    if any(bias.needs_positions for bias in biases):
        place = jnp.asarray(positions)
    several = members and model.config.n_members > 1
    result = jax.device_get(_evaluate(model, biases, params, batch, place, several))
    return predictions_of(model, params, batch, result, forces_std=members, members=members)


@partial(jax.jit, static_argnums=(0, 1, 5))
def _evaluate(
    model: EnergyModel,
    biases: tuple[Bias, ...],
    params: Params,
    batch: Graph,
    positions: jax.Array | None,
    members: bool,  # noqa: FBT001 - static
) -> Evaluation:
    return biased_evaluate(model, biases, params, batch, positions=positions, members=members)
