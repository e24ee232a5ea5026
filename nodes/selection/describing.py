"""Describe structures and atoms by vectors, each structure once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.interfaces import HasEnergyModel, HasFeatures

__all__ = ["DescribeFrames", "HasAtomFeatures", "atom_rows", "frame_rows"]


@runtime_checkable
class HasAtomFeatures(Protocol):
    """Describes atoms by vectors: atoms in similar surroundings lie close together."""

    def atom_features(self, frames: Sequence[Atoms]) -> list[NDArray[np.float64]]:
        """Return for each structure one row per atom, shape (n_atoms, n_features)."""
        ...


@dataclass(frozen=True)
class Describe:
    """Features of one structure.

    Parameters
    ----------
    descriptor : gives the features
    per_atom : one row per atom instead of one per structure
    """

    descriptor: HasFeatures | HasAtomFeatures
    per_atom: bool = False

    def __call__(self, frame: Atoms) -> NDArray[np.float64]:
        """Return shape (n_features,), or (n_atoms, n_features)."""
        if self.per_atom:
            return self.descriptor.atom_features([frame])[0]  # type: ignore[union-attr]
        return self.descriptor.features([frame])[0]  # type: ignore[union-attr]


class DescribeFrames(zn.Node):
    """Compute features of structures or of their atoms.

    Every structure is described once: its features are found again when it comes with other
    structures, or when a selecting node asks for the same descriptor.

    Parameters
    ----------
    structures : structures to describe
    descriptor : a spec such as GaussianMoments, or a trained model
    per_atom : describe atoms instead of structures

    Attributes
    ----------
    features : shape (n_rows, n_features), one row per structure, or per atom in the order of the
        structures
    rows : shape (n_rows,), the row of `structures` that each row of `features` belongs to

    Raises
    ------
    ValueError
        If there is no structure, a feature is not finite, or `per_atom` is asked of a descriptor
        that cannot tell atoms apart.
    """

    structures: list[Atoms] = zn.deps()
    descriptor: HasFeatures | HasAtomFeatures = zn.deps()
    per_atom: bool = zn.params(False)
    features: np.ndarray = zn.outs()
    rows: np.ndarray = zn.outs()

    def run(self) -> None:
        structures = list(self.structures)
        if self.per_atom:
            self.features, self.rows = atom_rows(self, self.descriptor, structures)
        else:
            self.features = frame_rows(self, self.descriptor, structures)
            self.rows = np.arange(len(structures))


def frame_rows(
    node: zn.Node, descriptor: HasFeatures | HasAtomFeatures, frames: Sequence[Atoms]
) -> NDArray[np.float64]:
    """Return one row of features per structure, shape (n_frames, n_features).

    Parameters
    ----------
    node : the node that asks; its ``map`` keeps the features of each structure
    descriptor : a spec, or a trained model, which describes all structures at once
    frames : structures, at least one
    """
    if not isinstance(descriptor, HasFeatures):
        raise ValueError(f"descriptor must have a method features, received {descriptor!r}")
    if _is_spec(descriptor):
        return _finite([row[None] for row in _mapped(node, Describe(descriptor), frames)])
    return _finite([descriptor.features(frames)])


def atom_rows(
    node: zn.Node, descriptor: HasFeatures | HasAtomFeatures, frames: Sequence[Atoms]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return one row of features per atom, and the row of its structure.

    Parameters
    ----------
    node, descriptor, frames : as for `frame_rows`

    Returns
    -------
    shapes (n_atoms, n_features) and (n_atoms,) for all atoms of all structures
    """
    if not isinstance(descriptor, HasAtomFeatures):
        raise ValueError(
            "descriptor must have a method atom_features to describe atoms, received "
            f"{descriptor!r}; take GaussianMoments or per_atom=False"
        )
    if _is_spec(descriptor):
        described = _mapped(node, Describe(descriptor, per_atom=True), frames)
    else:
        described = descriptor.atom_features(frames)
    rows = np.repeat(np.arange(len(described)), [len(one) for one in described])
    return _finite(described), rows


def _is_spec(descriptor: object) -> bool:
    """Whether the descriptor is plain settings, without a trained model in them."""
    if isinstance(descriptor, (zn.Node, HasEnergyModel)) or not is_dataclass(descriptor):
        return False
    return not any(_holds_model(getattr(descriptor, field.name)) for field in fields(descriptor))


def _holds_model(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_model(item) for item in value)
    return isinstance(value, (HasEnergyModel, HasFeatures)) and not _is_spec(value)


def _mapped(
    node: zn.Node, describe: Describe, frames: Sequence[Atoms]
) -> list[NDArray[np.float64]]:
    """Describe each structure by itself; what a descriptor does not read is not in its key."""
    reads = getattr(describe.descriptor, "reads", None)
    return list(node.map(describe, frames, reads=reads))


def _finite(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    if not parts or not sum(len(part) for part in parts):
        raise ValueError("there must be at least one structure to describe, received none")
    features = np.concatenate(parts)
    if not np.isfinite(features).all():
        raise ValueError(
            "features must be finite, received NaN or infinity; leave out the structures or "
            "correct the descriptor"
        )
    return features
