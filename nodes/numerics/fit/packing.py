"""Labelled structures as padded arrays of a few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from nodes.numerics.fit.shapes import Shape, choose_shapes, sizes_of
from nodes.numerics.potentials.graph import Graph, build_graphs
from nodes.numerics.potentials.model import EnergyModel
from nodes.numerics.structures import Structure

__all__ = ["Dataset", "HeadOutput", "head_outputs", "label", "pack", "size_in_bytes", "take"]

_AT_ONCE = 256


class HeadOutput(NamedTuple):
    """Whether a property head gives values of atoms, and the shape of one value."""

    of_atoms: bool
    size: tuple[int, ...]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["graph", "energy", "forces", "virial", "properties", "known"],
    meta_fields=["per_atom"],
)
@dataclass(frozen=True)
class Dataset:
    """m structures, padded to n atoms.

    Attributes
    ----------
    graph : Graph
        With a leading axis of length m.
    energy : (m,), eV
        Less reference energies; 0 where unknown, as all labels.
    forces : (m, n, 3), eV/Angstrom
    virial : (m, 3, 3), eV
        Stress times volume.
    properties : dict of (m, ...) or (m, n, ...)
        Labels of the property heads.
    known : dict of (m,)
        By "energy", "forces", "stress" and heads: 1 where there is a label, else 0.
    per_atom : tuple of str
        Which labels are those of atoms.
    """

    graph: Graph
    energy: Any
    forces: Any
    virial: Any
    properties: dict[str, Any]
    known: dict[str, Any]
    per_atom: tuple[str, ...] = ("forces",)

    def __len__(self) -> int:
        return self.energy.shape[0]


def pack(
    model: EnergyModel,
    structures: Sequence[Structure],
    reference: np.ndarray,
    *,
    max_shapes: int = 1,
    batch_size: int = 1,
) -> tuple[Dataset, ...]:
    """Data sets on the host, one per shape; each structure is in one of them.

    Parameters
    ----------
    reference : (n_elements,), eV
        Reference energies, which are taken off here in float64.
    batch_size : int
        Structures of one shape that are computed together.
    """
    sizes = sizes_of(structures, model.config.cutoff_angstrom)
    groups = choose_shapes(sizes, batch_size, max_shapes)
    datasets = []
    for shape, rows in groups:
        members = [structures[i] for i in rows]
        datasets.append(label(model, _graphs(model, members, shape), members, reference))
    return tuple(datasets)


def _graphs(model: EnergyModel, structures: Sequence[Structure], shape: Shape) -> Graph:
    """Graphs in NumPy, built in parts so that a large set never needs the device's memory."""
    parts = [
        jax.device_get(
            build_graphs(
                structures[start : start + _AT_ONCE],
                model.config,
                n_atoms=shape.n_atoms,
                capacity=shape.capacity,
            )
        )
        for start in range(0, len(structures), _AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *x: np.concatenate(x), *parts)


def label(
    model: EnergyModel, graph: Graph, structures: Sequence[Structure], reference: np.ndarray
) -> Dataset:
    """Add the labels of the structures to their graphs, in the float type of the graphs."""
    species = np.asarray(graph.species)
    dtype = graph.vectors.dtype
    padded = np.append(np.asarray(reference, np.float64), 0.0)
    energy = np.zeros(len(structures))
    forces = np.zeros((*species.shape, 3))
    virial = np.zeros((len(structures), 3, 3))
    known = {name: np.zeros(len(structures)) for name in ("energy", "forces", "stress")}
    for b, structure in enumerate(structures):
        if structure.energy is not None:
            energy[b] = structure.energy - np.sum(padded[species[b]])
            known["energy"][b] = 1.0
        if structure.forces is not None:
            forces[b, : len(structure)] = structure.forces
            known["forces"][b] = 1.0
        if structure.stress is not None and structure.volume is not None:
            virial[b] = structure.stress * structure.volume
            known["stress"][b] = 1.0
    properties = {}
    outputs = head_outputs(model)
    for name, output in outputs.items():
        properties[name], known[name] = _head_labels(name, output, structures, species.shape)
    per_atom = tuple(name for name, output in outputs.items() if output.of_atoms)
    arrays = (energy, forces, virial, properties, known)
    return Dataset(
        graph, *jax.tree.map(lambda x: x.astype(dtype), arrays), per_atom=("forces", *per_atom)
    )


def take(dataset: Dataset, rows: Any, share: Any) -> Dataset:
    """Some structures; labels count ``share`` (0 for structures that only fill a batch up)."""
    batch = jax.tree.map(lambda leaf: leaf[rows], dataset)
    known = {name: flags * share.astype(flags.dtype) for name, flags in batch.known.items()}
    return replace(batch, known=known)


def size_in_bytes(datasets: Sequence[Dataset]) -> int:
    """Memory that data sets take."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(list(datasets)))


def head_outputs(model: EnergyModel) -> dict[str, HeadOutput]:
    """What each property head of a model gives, found without computing anything."""
    atom = Structure(
        np.array(model.config.elements[:1]), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3)
    )
    graph = build_graphs([atom], model.config)
    params = jax.eval_shape(model.init, jax.random.key(0))
    values = jax.eval_shape(model.properties, params, graph)
    outputs = {}
    for head in model.config.heads:
        shape = values[head.name].shape[2 if head.of_atoms else 1 :]
        size = shape[:-1] if head.n_members > 1 else shape
        outputs[head.name] = HeadOutput(head.of_atoms, size)
    return outputs


def _head_labels(
    name: str, output: HeadOutput, structures: Sequence[Structure], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a head, padded, and which structures have one."""
    of_atoms, size = output
    values = np.zeros((*shape[: 2 if of_atoms else 1], *size))
    known = np.zeros(len(structures))
    for b, structure in enumerate(structures):
        found = structure.properties.get(name)
        if found is None:
            continue
        expected = (len(structure), *size) if of_atoms else size
        if np.size(found) != np.prod(expected, dtype=int):
            raise ValueError(
                f"the label {name!r} must have shape {expected}, received {np.shape(found)}"
            )
        place = (b, slice(len(structure))) if of_atoms else b
        values[place] = np.reshape(found, expected)
        known[b] = 1.0
    return values, known
