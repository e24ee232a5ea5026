"""What a model says of structures, on the host: batching, compilation, reference energies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.graph import Graph, build_graphs
from nodes.numerics.structures import Structure

if TYPE_CHECKING:
    from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params

__all__ = [
    "Prediction", "batches", "predict_graphs", "predict_many", "predictions_of", "rounded_size",
    "trim",
]  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """Prediction for one structure, in NumPy.

    Attributes
    ----------
    energy : float, eV
        Mean over members, reference energies included.
    forces : (n, 3), eV/Angstrom
        Exactly minus the gradient of ``energy``.
    virial : (3, 3), eV
        dE/d(strain); symmetric.
    stress : (3, 3), eV/Angstrom^3, or None
        virial / volume (positive under tension); None unless fully periodic.
    energy_std : float, eV
        Standard deviation over members (n_members - 1 in the denominator); 0 for one member.
    forces_std : (n, 3), eV/Angstrom, or None
        The same of each force component, if asked for.
    energies : (n_members,), eV, or None
        Of each member.
    properties : dict of arrays
        By head; first axis n for properties of atoms.
    member_forces : (n_members, n, 3), eV/Angstrom, or None
        Forces of each member, if asked for.
    """

    energy: float
    forces: np.ndarray
    virial: np.ndarray
    stress: np.ndarray | None
    energy_std: float
    forces_std: np.ndarray | None = None
    energies: np.ndarray | None = None
    properties: dict[str, np.ndarray] = field(default_factory=dict)
    member_forces: np.ndarray | None = None


def predict_graphs(
    model: EnergyModel, params: Params, batch: Graph, *, forces_std: bool
) -> list[Prediction]:
    """Predictions for graphs with a leading batch axis, padding atoms included."""
    ensemble = model.config.n_members > 1
    result = jax.device_get(_evaluate(model, params, batch, forces_std and ensemble))
    return predictions_of(model, params, batch, result, forces_std=forces_std)


def predictions_of(
    model: EnergyModel,
    params: Params,
    batch: Graph,
    result: Any,
    *,
    forces_std: bool,
    members: bool = False,
) -> list[Prediction]:
    """Predictions for graphs with a leading batch axis from their `Evaluation` in NumPy.

    With ``forces_std`` the evaluation must hold the forces of members, if there is an ensemble;
    with ``members`` they are kept.
    """
    ensemble = model.config.n_members > 1
    reference = model.reference_energy(params, np.asarray(batch.species))
    energies = result.energies.astype(np.float64) + reference[:, None]
    spread = np.std(energies, axis=-1, ddof=1) if ensemble else np.zeros(len(energies))
    force_spread = None
    own = result.member_forces
    if forces_std:
        force_spread = np.zeros_like(result.forces) if own is None else own.std(axis=0, ddof=1)
    if members and own is None:
        own = result.forces[None]
    volume = np.asarray(batch.volume)
    return [
        Prediction(
            energy=float(np.mean(energies[b])),
            forces=result.forces[b],
            virial=result.virial[b],
            stress=result.virial[b] / volume[b] if np.isfinite(volume[b]) else None,
            energy_std=float(spread[b]),
            forces_std=None if force_spread is None else force_spread[b],
            energies=energies[b],
            properties={name: values[b] for name, values in result.properties.items()},
            member_forces=own[:, b] if members and own is not None else None,
        )
        for b in range(len(energies))
    ]


def predict_many(
    model: EnergyModel,
    params: Params,
    structures: Sequence[Structure],
    *,
    batch_size: int,
    forces_std: bool,
) -> list[Prediction]:
    """Predictions for structures of any size, in their order."""
    predictions: list[Any] = [None] * len(structures)
    for rows, batch in batches(model, structures, batch_size=batch_size):
        found = predict_graphs(model, params, batch, forces_std=forces_std)
        for row, prediction in zip(rows, found, strict=False):
            predictions[row] = trim(model, prediction, len(structures[row]))
    return predictions


def batches(
    model: EnergyModel, structures: Sequence[Structure], *, batch_size: int
) -> Iterator[tuple[list[int], Graph]]:
    """Rows of structures and their graphs, in batches of few different shapes.

    Structures of similar size share a batch. Atoms and slots are padded to `rounded_size`, and
    the last batch of a size is filled up by repeating structures: the rows are the real ones.
    """
    order = sorted(range(len(structures)), key=lambda row: len(structures[row]))
    by_size: dict[int, list[int]] = {}
    for row in order:
        by_size.setdefault(rounded_size(len(structures[row])), []).append(row)
    for rows in by_size.values():
        width = min(batch_size, len(rows))
        size = max(len(structures[row]) for row in rows)
        for start in range(0, len(rows), width):
            chosen = rows[start : start + width]
            filled = chosen + [chosen[-1]] * (width - len(chosen))
            graph = build_graphs([structures[row] for row in filled], model.config, n_atoms=size)
            yield chosen, graph


def rounded_size(count: int) -> int:
    """The next of 8, 12, 16, 24, 32, 48, 64, 96, ...: powers of two and the middles between."""
    size = 8
    while size < count:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def trim(model: EnergyModel, prediction: Prediction, n_atoms: int) -> Prediction:
    """Leave out the padding atoms."""
    std, members = prediction.forces_std, prediction.member_forces
    of_atoms = {head.name for head in model.config.heads if head.of_atoms}
    return replace(
        prediction,
        forces=prediction.forces[:n_atoms],
        forces_std=None if std is None else std[:n_atoms],
        properties={
            name: values[:n_atoms] if name in of_atoms else values
            for name, values in prediction.properties.items()
        },
        member_forces=None if members is None else members[:, :n_atoms],
    )


@partial(jax.jit, static_argnums=(0, 3))
def _evaluate(model: EnergyModel, params: Params, batch: Graph, members: bool) -> Evaluation:  # noqa: FBT001
    return model.evaluate(params, batch, members=members)


@partial(jax.jit, static_argnums=0)
def member_energies(model: EnergyModel, params: Params, batch: Graph) -> jax.Array:
    """Energies (b, n_members) in eV with reference energies, in JAX's float type."""
    energies = model.learned(params, batch, batch.vectors)
    if model.config.corrections:
        energies += model.physical(params, batch, batch.vectors)[:, None]
    present = jax.nn.one_hot(batch.species, len(model.config.elements), dtype=energies.dtype)
    reference = jnp.asarray(params["constants"]["reference"], energies.dtype)
    return energies + jnp.sum(present @ reference, axis=-1)[:, None]
