"""Where data and computation go: how many devices, and what fits onto them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.packing import Dataset, size_in_bytes

__all__ = ["is_resident", "mesh_of", "place"]

_GIB = 1024.0**3


def mesh_of(config: FitConfig) -> Mesh | None:
    """Devices that share each batch, None for one device.

    Raises
    ------
    ValueError
        If there are not as many devices as asked for, or they do not divide the batches.
    """
    sizes = {config.batch_size, config.valid_batch_size or config.batch_size}
    devices = jax.devices()
    count = config.n_devices
    if count is None:
        count = max(n for n in range(1, len(devices) + 1) if not any(s % n for s in sizes))
    if count > len(devices) or any(size % count for size in sizes):
        raise ValueError(
            f"n_devices must be at most {len(devices)} and divide the batch sizes "
            f"{sorted(sizes)}, received {count}"
        )
    return Mesh(np.array(devices[:count]), ("batch",)) if count > 1 else None


def is_resident(datasets: Sequence[Dataset], config: FitConfig) -> bool:
    """Whether the data stay on the device during the fit."""
    limit = config.resident_gib
    if limit is None:
        limit = 0.5 * _device_memory() / _GIB
    return size_in_bytes(datasets) <= limit * _GIB


def place(tree: Any, mesh: Mesh | None) -> Any:
    """Put arrays on the device, or a copy on each of several."""
    if mesh is None:
        return jax.tree.map(jnp.asarray, tree)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def _device_memory() -> float:
    """Bytes of the default device; those of the host where the device does not tell."""
    stats = jax.local_devices()[0].memory_stats() or {}
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float(stats.get("bytes_limit", host))
