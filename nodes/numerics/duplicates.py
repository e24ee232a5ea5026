"""Which structures are the same: atom by atom, or as the environments of their atoms see it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nodes.numerics.descriptors import moment_features
from nodes.numerics.neighbors.host import neighbor_edges
from nodes.numerics.selection.nearest import close_pairs
from nodes.numerics.structures import Structure

__all__ = ["duplicate_pairs", "same_atoms"]

_N_RADIAL = 4
_MAX_RANK = 2


def same_atoms(
    structures: Sequence[Structure],
    reference: Sequence[Structure],
    *,
    tolerance_angstrom: float = 1e-5,
) -> NDArray[np.bool_]:
    """Tell which structures occur in the reference: same elements, positions, cell, periodicity.

    Atoms must come in the same order and at the same places. This is what becomes of a structure
    that was stored and read again.

    Parameters
    ----------
    structures, reference : sequences of Structure
    tolerance_angstrom : largest distance in the space of all positions and cell vectors

    Returns
    -------
    shape (n_structures,)
    """
    known: dict[bytes, list[NDArray[np.float64]]] = {}
    for structure in reference:
        known.setdefault(_kind(structure), []).append(_place(structure))
    asked: dict[bytes, list[int]] = {}
    for row, structure in enumerate(structures):
        if _kind(structure) in known:
            asked.setdefault(_kind(structure), []).append(row)
    found = np.zeros(len(structures), dtype=np.bool_)
    for kind, rows in asked.items():
        places = np.array([_place(structures[row]) for row in rows])
        pairs = close_pairs(places, np.unique(known[kind], axis=0), tolerance_angstrom)
        found[np.array(rows)[pairs[0]]] = True
    return found


def duplicate_pairs(
    structures: Sequence[Structure], *, cutoff_angstrom: float = 6.0, tolerance: float = 1e-6
) -> list[tuple[int, int]]:
    """Pairs of equal structures, wherever they lie and however their atoms are numbered.

    Equal are structures of the same composition and volume whose atoms have, element by element,
    the same sums of invariant moments (see `moment_features`) of their neighbourhoods. Shifts,
    rotations, reflections, the order of atoms and the choice of lattice vectors do not matter;
    nor do atoms and molecules beyond the cutoff, or labels.

    Parameters
    ----------
    structures : sequence of Structure
    cutoff_angstrom : farthest neighbour that counts
    tolerance : relative difference of the sums that is put down to rounding

    Returns
    -------
    pairs of rows, the lower one first, in ascending order
    """
    groups: dict[bytes, list[int]] = {}
    for row, structure in enumerate(structures):
        key = np.sort(structure.numbers).tobytes() + np.sort(structure.pbc).tobytes()
        groups.setdefault(key, []).append(row)
    pairs: list[tuple[int, int]] = []
    for rows in groups.values():
        if len(rows) > 1:
            sums = np.array([_invariants(structures[row], cutoff_angstrom) for row in rows])
            longest = float(np.linalg.norm(sums, axis=1).max())
            i, j, _ = close_pairs(sums, sums, tolerance * max(longest, 1.0))
            pairs += [(rows[a], rows[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
    return sorted((a, b) for a, b in pairs if a < b)


def _kind(structure: Structure) -> bytes:
    return structure.numbers.tobytes() + structure.pbc.tobytes()


def _place(structure: Structure) -> NDArray[np.float64]:
    """Positions and the periodic cell vectors as one row."""
    cell = structure.cell * structure.pbc[:, None]
    return np.concatenate([structure.positions.ravel(), cell.ravel()])


def _invariants(structure: Structure, cutoff: float) -> NDArray[np.float64]:
    """Sums of the moments of the atoms of each element, and the logarithm of the volume."""
    elements, species = np.unique(structure.numbers, return_inverse=True)
    edges = neighbor_edges(structure.positions, structure.cell, structure.pbc, cutoff)
    features = moment_features(
        edges.receivers,
        species[edges.senders],
        edges.vectors,
        n_atoms=len(structure),
        n_elements=len(elements),
        cutoff=cutoff,
        n_radial=_N_RADIAL,
        max_rank=_MAX_RANK,
    )
    sums = np.zeros((len(elements), features.shape[1]))
    np.add.at(sums, species, features)
    return np.append(sums.ravel(), np.log(structure.volume or 1.0))
