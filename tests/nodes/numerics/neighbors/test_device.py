"""Device lists: staleness, room, regrowth, replicas, compaction."""

import json
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from nodes.numerics.neighbors import device
from nodes.numerics.neighbors.grid import Grid, choose_grid
from nodes.numerics.neighbors.host import neighbor_edges

ALL = (True, True, True)
N_STEPS = 14
QUICKLY = {"xla_backend_optimization_level": 0}


def edge_set(neighbors):
    occupied = np.asarray(neighbors.occupied)
    columns = [np.nonzero(occupied)[0], np.asarray(neighbors.senders)[occupied]]
    columns += list(np.asarray(neighbors.shifts)[occupied].T)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def host_set(positions, cell, pbc, cutoff):
    edges = neighbor_edges(positions, cell, pbc, cutoff)
    columns = (edges.receivers, edges.senders, *edges.shifts.T)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def crystal(n, a=3.6, noise=0.1, seed=0):
    """An fcc crystal of 4 n^3 atoms that moved."""
    corners = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    positions = (corners + sites).reshape(-1, 3) * a
    return positions + np.random.default_rng(seed).normal(size=positions.shape) * noise, n * a


def pair():
    return device.from_structure(
        np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros((3, 3)), (False,) * 3, cutoff=2.0, skin=0.5
    )


def test_list_from_the_host_is_the_one_that_is_rebuilt():
    positions, edge = crystal(6)
    with jax.enable_x64(True):
        spec, neighbors = device.from_structure(
            positions, np.eye(3) * edge, ALL, cutoff=3.3, skin=0.4
        )
        assert spec.grid is not None
        origin = jnp.asarray(positions)
        rebuilt, needed = jax.jit(partial(device.rebuild, spec))(origin, neighbors.basis)
    assert edge_set(rebuilt) == edge_set(neighbors)
    assert edge_set(rebuilt) == host_set(positions, np.eye(3) * edge, ALL, 3.7)
    assert needed <= spec.capacity
    for mine, other in zip(jax.tree.leaves(neighbors), jax.tree.leaves(rebuilt), strict=True):
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)


def test_many_atoms_against_a_periodic_tree():
    rng = np.random.default_rng(6)
    positions, edge = rng.uniform(0, 60.0, (20_000, 3)).astype(np.float32), 60.0
    spec = device.list_spec(
        np.eye(3) * edge, ALL, cutoff=3.0, skin=0.5, capacity=56, positions=positions
    )
    build = jax.jit(partial(device.rebuild, spec))
    neighbors, needed = build(jnp.asarray(positions), jnp.eye(3) * edge)
    assert needed <= 56
    tree = cKDTree(positions.astype(np.float64) % edge, boxsize=edge)
    certain, possible = (tree.query_pairs(3.5 + d, output_type="ndarray") for d in (-1e-5, 1e-5))
    occupied = np.asarray(neighbors.occupied)
    i, j = np.nonzero(occupied)[0], np.asarray(neighbors.senders)[occupied]
    keys = np.sort((i * 20_000 + j)[i < j])
    assert 2 * len(keys) == len(i)
    assert len(np.unique(keys)) == len(keys)
    assert np.isin(certain @ [20_000, 1], keys).all()
    assert np.isin(keys, possible @ [20_000, 1]).all()


def test_atoms_may_leave_the_structure():
    rng = np.random.default_rng(8)
    positions = rng.uniform(0, 12.0, (40, 3))
    cell, pbc = np.diag([12.0, 12.0, 0.0]), (True, True, False)
    with jax.enable_x64(True):
        spec, neighbors = device.from_structure(positions, cell, pbc, cutoff=2.5, skin=0.5)
        spec = replace(spec, grid=Grid((3, 3, 3), (1, 1, 1), 3.1, 12))
        positions[:5, 2] += 1e4
        positions[5:9] += [1200.0, -3600.0, -77.0]
        rebuilt, needed = jax.jit(partial(device.rebuild, spec))(
            jnp.asarray(positions), neighbors.basis
        )
    assert edge_set(rebuilt) == host_set(positions, cell, pbc, 3.0)
    assert needed <= spec.capacity


def test_empty_slots_point_beyond_the_cutoff():
    spec, neighbors = pair()
    vectors = device.edge_vectors(spec, neighbors, neighbors.origin, jnp.eye(3))
    empty = ~np.asarray(neighbors.occupied)
    assert empty.any()
    assert (np.linalg.norm(np.asarray(vectors)[empty], axis=-1) == 4.0).all()


def test_single_atom_without_neighbours_has_a_list():
    spec, neighbors = device.from_structure(
        np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3, cutoff=2.0, skin=0.5
    )
    build = jax.jit(partial(device.rebuild, spec))
    rebuilt, needed = build(jnp.ones((1, 3)), neighbors.basis)
    assert needed == 0
    assert not rebuilt.occupied.any()


def test_list_is_stale_beyond_half_the_skin():
    spec, neighbors = pair()
    shift = jnp.array([[0.0, 0, 0], [1.0, 0, 0]])
    for basis in (None, neighbors.basis):
        assert not device.is_stale(spec, neighbors, neighbors.origin + 0.24 * shift, basis)
        assert device.is_stale(spec, neighbors, neighbors.origin + 0.26 * shift, basis)


def test_atoms_that_are_carried_by_the_cell_do_not_count():
    positions, edge = crystal(4, noise=0.0)
    spec, neighbors = device.from_structure(positions, np.eye(3) * edge, ALL, cutoff=3.3, skin=0.4)
    stale = jax.jit(partial(device.is_stale, spec))
    wider = neighbors.basis * 1.2
    assert not stale(neighbors, neighbors.origin * 1.2, wider)
    assert stale(neighbors, neighbors.origin * 1.2, neighbors.basis)
    assert stale(neighbors, neighbors.origin, wider)
    # 3.7 shrinks to 3.3 at a factor of 0.892.
    assert not stale(neighbors, neighbors.origin * 0.9, neighbors.basis * 0.9)
    assert stale(neighbors, neighbors.origin * 0.89, neighbors.basis * 0.89)
    turn = jnp.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    assert not stale(neighbors, neighbors.origin @ turn, neighbors.basis @ turn)


def test_no_pair_comes_within_the_cutoff_unseen_while_the_cell_changes():
    rng = np.random.default_rng(9)
    cell = np.array([[7.0, 0, 0], [1.0, 6.5, 0], [-0.5, 0.8, 7.5]])
    start = rng.uniform(0, 1, (40, 3)) @ cell
    with jax.enable_x64(True):
        spec, neighbors = device.from_structure(start, cell, ALL, cutoff=3.0, skin=0.6)
        listed = edge_set(neighbors)
        stale = jax.jit(partial(device.is_stale, spec))
        kept = missed = 0
        for _ in range(150):
            strain = np.eye(3) + rng.normal(size=(3, 3)) * rng.uniform(0, 0.12)
            moved = start @ strain + rng.uniform(-1, 1, start.shape) * rng.uniform(0, 0.4)
            missing = host_set(moved, cell @ strain, ALL, 3.0) - listed
            seen = bool(stale(neighbors, jnp.asarray(moved), jnp.asarray(cell @ strain)))
            assert seen or not missing
            kept += not seen
            missed += bool(missing)
    assert min(kept, missed) > 20


def test_room_is_for_motion_and_no_more():
    still, edge = crystal(4, noise=0.0)
    moved, _ = crystal(4, noise=0.15, seed=1)
    spec, _ = device.from_structure(still, np.eye(3) * edge, ALL, cutoff=4.9, skin=0.5)
    edges = neighbor_edges(moved, np.eye(3) * edge, ALL, 5.4)
    needed = np.bincount(edges.receivers).max()
    assert np.bincount(neighbor_edges(still, np.eye(3) * edge, ALL, 5.4).receivers).max() == 54
    assert needed <= spec.capacity <= 68
    assert spec.capacity % 4 == 0
    larger, _ = device.from_structure(
        still, np.eye(3) * edge, ALL, cutoff=4.9, skin=0.5, min_capacity=70
    )
    assert larger.capacity == 72


def test_overflow_within_a_loop_regrows_and_misses_nothing():
    positions, edge = crystal(3, noise=0.0)
    cell, step = np.eye(3) * edge, 0.02
    spec, neighbors = device.from_structure(positions, cell, ALL, cutoff=3.0, skin=0.3)
    start_capacity = spec.capacity

    @partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
    def loop(spec, neighbors, positions):
        def advance(carry, _):
            positions, neighbors, failed = carry
            moved = positions * (1.0 - step)
            fresh, needed = jax.lax.cond(
                device.is_stale(spec, neighbors, moved),
                lambda: device.rebuild(spec, moved, neighbors.basis),
                lambda: (neighbors, jnp.zeros((), jnp.int32)),
            )
            failed = failed | (needed > spec.capacity)
            old = (positions, neighbors, failed)
            new = jax.tree.map(lambda a, b: jnp.where(failed, b, a), (moved, fresh, failed), old)
            return new, ~failed

        carry = (positions, neighbors, jnp.zeros((), bool))
        carry, taken = jax.lax.scan(advance, carry, length=N_STEPS)
        return *carry, jnp.sum(taken)

    # The atoms draw together in a cell that keeps its size: rows fill up.
    positions, regrown, steps = neighbors.origin, 0, 0
    while steps < N_STEPS:
        positions, neighbors, failed, taken = loop(spec, neighbors, positions)
        steps += int(taken)
        if failed:
            regrown += 1
            now = np.asarray(positions) * (1.0 - step)
            spec, neighbors = device.from_structure(
                now, cell, ALL, cutoff=3.0, skin=0.3, min_capacity=spec.capacity + 6
            )
            positions, steps = neighbors.origin, steps + 1
        near = host_set(np.asarray(positions, np.float64), cell, ALL, 3.0 - 1e-5)
        assert near <= edge_set(neighbors)
    assert regrown >= 1
    assert spec.capacity > start_capacity


def test_replicas_share_a_spec_and_map():
    rng = np.random.default_rng(12)
    positions, edge = crystal(3, noise=0.0)
    replicas = positions + rng.normal(size=(3, *positions.shape)) * 0.2
    with jax.enable_x64(True):
        spec, lists = device.from_replicas(replicas, np.eye(3) * edge, ALL, cutoff=3.0, skin=0.4)
        grid = choose_grid(replicas, np.eye(3) * edge, np.array(ALL), 3.4)
        spec = replace(spec, grid=grid)
        moved = jnp.asarray(replicas + rng.normal(size=replicas.shape) * 0.1)
        assert jax.vmap(partial(device.is_stale, spec))(lists, moved, lists.basis).all()
        build = jax.jit(jax.vmap(partial(device.rebuild, spec)), compiler_options=QUICKLY)
        rebuilt, needed = build(moved, lists.basis)
        assert needed.shape == (3,)
        assert (needed <= spec.capacity).all()
        vectors = jax.jit(jax.vmap(partial(device.edge_vectors, spec)))
        shape = (3, len(positions), spec.capacity, 3)
        assert vectors(rebuilt, moved, lists.basis).shape == shape
    for k in range(3):
        one, first = (jax.tree.map(lambda leaf, k=k: leaf[k], tree) for tree in (rebuilt, lists))
        assert edge_set(one) == host_set(np.asarray(moved[k]), np.eye(3) * edge, ALL, 3.4)
        assert edge_set(first) == host_set(replicas[k], np.eye(3) * edge, ALL, 3.4)


def test_compact_list_holds_what_is_within_the_cutoff():
    positions, edge = crystal(3)
    with jax.enable_x64(True):
        spec, neighbors = device.from_structure(
            positions, np.eye(3) * edge, ALL, cutoff=3.3, skin=0.8
        )
        moved = neighbors.origin + np.random.default_rng(1).normal(size=positions.shape) * 0.1
        edge_vectors = jax.jit(partial(device.edge_vectors, spec))
        vectors = edge_vectors(neighbors, moved, neighbors.basis)
        shorten = jax.jit(device.compact, static_argnums=(0, 3))
        inner, kept, needed = shorten(spec, neighbors, vectors, 24)
        expected = host_set(np.asarray(moved), np.eye(3) * edge, ALL, 3.3)
        assert edge_set(inner) == expected
        assert needed == np.bincount([i for i, *_ in expected]).max()
        again = edge_vectors(inner, moved, neighbors.basis)
        np.testing.assert_allclose(kept, again, atol=1e-12)
        flat, reverse = np.asarray(kept).reshape(-1, 3), np.asarray(inner.reverse).reshape(-1)
        occupied = np.asarray(inner.occupied).reshape(-1)
        np.testing.assert_array_equal(flat[reverse][occupied], -flat[occupied])
        np.testing.assert_array_equal(reverse[reverse], np.arange(reverse.size))
        assert shorten(spec, neighbors, vectors, int(needed) - 1)[2] == needed


@pytest.mark.parametrize("n", [2, 6])
def test_spec_survives_json(n):
    positions, edge = crystal(n)
    spec, _ = device.from_structure(positions, np.eye(3) * edge, ALL, cutoff=3.0, skin=0.4)
    assert (spec.grid is None) == (n == 2)
    assert device.ListSpec.from_record(json.loads(json.dumps(spec.to_record()))) == spec
