"""Speed of choosing structures: python benchmarks/selection.py [part ...].

Parts: methods (farthest points beside the quadratic way, LCMD, k-means++, MaxDet), pool (blocks of
a kernel of 100,000 x 500), scores, descriptors, gradients. Times are CPU seconds of one thread,
those of the model of all its threads.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import resource
import sys
import time
from collections.abc import Callable

import ase.build
import numpy as np

from nodes.numerics.selection import (
    farthest_point,
    kmeans_plus_plus,
    largest_cluster_maximum_distance,
    leverage_scores,
    max_det,
    nearest_reference,
    project,
)
from nodes.selection.features import DistanceHistogram, GaussianMoments

LONGEST_QUADRATIC = 800
METHODS = {
    "farthest points": farthest_point,
    "LCMD": largest_cluster_maximum_distance,
    "k-means++": kmeans_plus_plus,
    "MaxDet": max_det,
}


def quadratic(points: np.ndarray, n_select: int) -> np.ndarray:
    """The same greedy order, with the distances to all rows taken computed anew at every step."""
    rows = [int(np.argmax(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    norms = (points**2).sum(axis=1)
    while len(rows) < n_select:
        squared = norms[:, None] + norms[rows] - 2.0 * points @ points[rows].T
        squared[rows] = -np.inf
        rows.append(int(np.argmax(squared.min(axis=1))))
    return np.array(rows)


def unit_rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).random((n, d))
    return points / np.linalg.norm(points, axis=1)[:, None]


def cpu_seconds(job: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = job()
    return time.process_time() - start, result


def methods() -> None:
    print(f"{'farthest points':34s} {'s':>9s} {'us/pick':>9s} {'quadratic':>10s} {'ratio':>7s}")
    points = unit_rows(5000, 50)
    for count in (100, 200, 400, LONGEST_QUADRATIC):
        ours, rows = cpu_seconds(lambda c=count: farthest_point(points, c))
        theirs, expected = cpu_seconds(lambda c=count: quadratic(points, c))
        assert np.array_equal(rows, expected)
        line = f"5000 x 50, {count} picks"
        print(f"{line:34s} {ours:9.3f} {1e6 * ours / count:9.1f} {theirs:10.3f}", end="")
        print(f" {theirs / ours:6.1f}x")
    points, known = unit_rows(20_000, 256), unit_rows(2000, 256, seed=1)
    print(f"{'20,000 x 256, 1000 picks':34s} {'s':>9s} {'2000 known':>11s}")
    for name, select in METHODS.items():
        alone, _ = cpu_seconds(lambda s=select: s(points, 1000))
        beside, rows = cpu_seconds(lambda s=select: s(points, 1000, reference=known))
        assert len(set(rows.tolist())) == 1000
        print(f"{name:34s} {alone:9.3f} {beside:11.3f}", flush=True)


def pool() -> None:
    """Distances of a pool to a training set: the kernel would take 800 MB, or 80 GB with itself."""
    points, known = unit_rows(100_000, 500), unit_rows(1000, 500, seed=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, _ = cpu_seconds(lambda: nearest_reference(points, known))
    print(f"{'nearest of 1000, 100,000 x 500':44s} {seconds:9.3f} s")
    seconds, _ = cpu_seconds(lambda: farthest_point(points, 100, reference=known))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{'farthest points, 100 picks, 1000 known':44s} {seconds:9.3f} s")
    print(f"{'memory beside the features (400 MB)':44s} {more:9.0f} MB")


def scores() -> None:
    for n, d, exponent in ((5000, 50, None), (20_000, 256, None), (1500, 50, 2.0)):
        points = np.random.default_rng(0).random((n, d))
        seconds, _ = cpu_seconds(
            lambda p=points, r=d, e=exponent: leverage_scores(p, r, kernel_exponent=e)
        )
        kind = "features" if exponent is None else "kernel"
        print(f"{f'leverage scores of {kind}, {n} x {d}':44s} {seconds:9.3f} s")


def descriptors() -> None:
    molecule, crystal = ase.build.molecule("C6H6"), ase.build.bulk("Cu", cubic=True).repeat(3)
    for name, frame, count in (("benzene", molecule, 200), ("108 Cu atoms", crystal, 20)):
        elements = tuple(sorted(set(frame.symbols)))
        for spec in (GaussianMoments(elements=elements), DistanceHistogram()):
            spec.features([frame])
            seconds, _ = cpu_seconds(lambda s=spec, f=frame, c=count: s.features([f] * c))
            line = f"{type(spec).__name__}, {name}"
            print(f"{line:44s} {1e3 * seconds / count:9.3f} ms per structure")


def gradients() -> None:
    """Feature maps of a model of the default size, 32 Cu atoms, without compilation."""
    import jax

    from nodes.atoms import structures_of
    from nodes.numerics import feature_maps
    from nodes.numerics.potentials import EnergyModel, ModelConfig

    rng, frames = np.random.default_rng(0), []
    for _ in range(64):
        frame = ase.build.bulk("Cu", cubic=True).repeat(2)
        frame.positions += 0.1 * rng.normal(size=frame.positions.shape)
        frames.append(frame)
    structures = structures_of(frames)
    model = EnergyModel(ModelConfig(elements=(29,)))
    params = model.init(jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(params["weights"]))
    print(f"{count} weights, {count * 512 * 8 / 1e9:.2f} GB for a whole matrix of 512 projections")
    for line, job in (
        ("last layer", lambda: feature_maps.last_layer_features(model, params, structures)),
        ("projected gradient", lambda: feature_maps.projected_gradients(model, params, structures)),
        ("force features, sum", lambda: feature_maps.force_features(model, params, structures[:8])),
    ):
        job()
        seconds, rows = cpu_seconds(job)
        print(f"{line:44s} {1e3 * seconds / len(rows):9.3f} ms per structure", flush=True)
    found = np.random.default_rng(0).random((256, count), dtype=np.float32)
    seconds, _ = cpu_seconds(lambda: project(found, 512))
    print(f"{'of which the projection, 256 rows':44s} {1e3 * seconds / 256:9.3f} ms per structure")


if __name__ == "__main__":
    parts = {f.__name__: f for f in (methods, pool, scores, descriptors, gradients)}
    for chosen in sys.argv[1:] or parts:
        parts[chosen]()
