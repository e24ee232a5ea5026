"""Seeds that belong to structures, for code that does not go through a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from zn_pipeline.fingerprint.structures import item_seed, structure_hash


def structure_seeds(seed: int, structures: Iterable[Any]) -> list[int]:
    """Return one seed for each structure: it depends on the structure, not on its place.

    Parameters
    ----------
    seed : the user's seed
    structures : elements, positions, cell and periodicity count; equal ones get different seeds,
        in the order in which they come
    """
    met: Counter[bytes] = Counter()
    seeds: list[int] = []
    for structure in structures:
        digest = structure_hash(structure, ())
        seeds.append(item_seed(seed, digest, met[digest]))
        met[digest] += 1
    return seeds
