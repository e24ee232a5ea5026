"""Cost of neighbour lists: microseconds of processor time and of wall time per atom.

``python benchmarks/neighbors.py [n ...]`` takes fcc crystals of 4 n^3 atoms, a = 3.61 Angstrom,
cutoff 5.0 and skin 0.5; by default 2048, 8788 and 97556 atoms.
"""

import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors import device
from nodes.numerics.neighbors.host import dense_list, neighbor_edges

PERIODIC = (True, True, True)


def crystal(n):
    corners = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    positions = (corners + sites).reshape(-1, 3) * 3.61
    positions += np.random.default_rng(0).normal(size=positions.shape) * 0.1
    return positions.astype(np.float32), np.eye(3, dtype=np.float32) * 3.61 * n


def least(call, repeats):
    """Shortest processor and wall times of some calls, in microseconds."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        jax.block_until_ready(call())
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return np.min(times, axis=0) * 1e6


def report(name, call, n_atoms, repeats=10):
    call()
    cpu, wall = least(call, repeats) / n_atoms
    print(f"  {name:28s} {cpu:7.2f} us CPU, {wall:7.2f} us wall per atom", flush=True)


def measure(n):
    positions, cell = crystal(n)
    count = len(positions)
    repeats = 30 if count < 20_000 else 4
    print(f"{count} atoms", flush=True)
    spec, neighbors = device.from_structure(positions, cell, PERIODIC, cutoff=5.0, skin=0.5)
    print(f"  {spec}", flush=True)
    x, basis = jnp.asarray(positions), jnp.asarray(cell)
    start = time.process_time()
    build = jax.jit(partial(device.rebuild, spec)).lower(x, basis).compile()
    print(f"  compilation of a rebuild {time.process_time() - start:.1f} s", flush=True)
    report("rebuild", lambda: build(x, basis), count, repeats)
    stale = jax.jit(partial(device.is_stale, spec))
    report("is_stale", lambda: stale(neighbors, x, basis), count, repeats)
    vectors = jax.jit(partial(device.edge_vectors, spec))
    report("edge_vectors", lambda: vectors(neighbors, x, basis), count, repeats)

    @jax.jit
    def shortened(neighbors, x, basis):
        inner, kept, needed = device.compact(
            spec, neighbors, device.edge_vectors(spec, neighbors, x, basis), 52
        )
        return inner.senders, inner.reverse, inner.occupied, kept, needed

    report("edge_vectors and compact", lambda: shortened(neighbors, x, basis), count, repeats)
    report("host: neighbor_edges", lambda: neighbor_edges(positions, cell, PERIODIC, 5.0), count, 3)


def small_structures():
    positions = np.random.default_rng(0).normal(size=(64, 3)) * 0.1
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions += grid * 2.28
    cell = np.eye(3) * 2.28 * 4
    edges = neighbor_edges(positions, cell, PERIODIC, 5.0)
    print(f"64 atoms, {len(edges.receivers) / 64:.0f} neighbours")
    for name, call in (
        ("neighbor_edges", lambda: neighbor_edges(positions, cell, PERIODIC, 5.0)),
        ("dense_list", lambda: dense_list(edges, 64)),
    ):
        cpu, wall = least(call, 100)
        print(f"  {name:28s} {cpu / 1e3:7.2f} ms CPU, {wall / 1e3:7.2f} ms wall per structure")


if __name__ == "__main__":
    small_structures()
    for n in [int(a) for a in sys.argv[1:]] or [8, 13, 29]:
        measure(n)
