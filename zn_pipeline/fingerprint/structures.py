"""Digests of the items of a map, and the seeds that belong to them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from zn_pipeline.fingerprint.atoms import Reads, atoms_hash, is_atoms
from zn_pipeline.fingerprint.canonical import canonical


def structure_hash(item: Any, reads: Reads = "all") -> bytes:
    """Return 16 bytes for an item: a structure, a list of structures, or a plain value.

    Parameters
    ----------
    item : ``ase.Atoms``; a list (of lists) of them, which is a group; or a value that
        :func:`canonical` knows
    reads : what counts of a structure besides numbers, positions, cell and pbc: ``"all"``, or names
        of arrays, ``info.NAME``, ``results``, ``results.NAME``, ``constraints``, ``celldisp``

    Raises
    ------
    ValueError
        If positions or cell of a structure are NaN.
    NotCacheableError
        If the item holds something without a stable digest.
    """
    if is_atoms(item):
        return atoms_hash(item, reads)
    if isinstance(item, (list, tuple)) and item and _is_group(item):
        parts = b"".join(structure_hash(part, reads) for part in item)
        return hashlib.blake2b(parts, digest_size=16, person=b"zn.group").digest()
    text = json.dumps(canonical(item, "item"), separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"zn.value").digest()


def _is_group(item: Any) -> bool:
    """Whether a list holds structures, at any depth, and nothing else."""
    return all(
        is_atoms(part) or (isinstance(part, (list, tuple)) and bool(part) and _is_group(part))
        for part in item
    )


def item_seed(user_seed: int, structure: bytes, replica: int = 0) -> int:
    """Return the seed of one item: a number from 0 to 2**63 - 1.

    It depends on the item alone, so neither its place among others nor the worker matters.

    Parameters
    ----------
    user_seed : the seed of the whole map
    structure : digest of the item, see :func:`structure_hash`
    replica : counts runs of the same item that shall differ
    """
    text = f"{int(user_seed)}:{int(replica)}:".encode()
    digest = hashlib.blake2b(text + structure, digest_size=8, person=b"zn.seed").digest()
    return int.from_bytes(digest, "little") >> 1
