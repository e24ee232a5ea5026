"""Speed of choosing structures: python benchmarks/selection.py.

Farthest points beside the quadratic way (all distances of what was taken, at every step), leverage
scores, descriptors. Times are CPU seconds of one thread.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections.abc import Callable

import ase.build
import numpy as np

from nodes.numerics.selection import farthest_point
from nodes.numerics.selection_leverage import leverage_scores
from nodes.selection.features import DistanceHistogram, GaussianMoments

LONGEST_QUADRATIC = 800


def quadratic(points: np.ndarray, n_select: int) -> np.ndarray:
    """The same greedy order, with the distances to all rows taken computed anew at every step."""
    rows = [int(np.argmax(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    norms = (points**2).sum(axis=1)
    while len(rows) < n_select:
        squared = norms[:, None] + norms[rows] - 2.0 * points @ points[rows].T
        squared[rows] = -np.inf
        rows.append(int(np.argmax(squared.min(axis=1))))
    return np.array(rows)


def cpu_seconds(job: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = job()
    return time.process_time() - start, result


def farthest_points() -> None:
    print(f"{'farthest points':34s} {'s':>9s} {'us/pick':>9s} {'quadratic':>10s} {'ratio':>7s}")
    for n, d, counts in ((5000, 50, (100, 200, 400, 800)), (20_000, 256, (1000,))):
        points = np.random.default_rng(0).random((n, d))
        points /= np.linalg.norm(points, axis=1)[:, None]
        for count in counts:
            ours, rows = cpu_seconds(lambda p=points, c=count: farthest_point(p, c))
            line = f"{n} x {d}, {count} picks"
            print(f"{line:34s} {ours:9.3f} {1e6 * ours / count:9.1f}", end="")
            if count <= LONGEST_QUADRATIC:
                theirs, expected = cpu_seconds(lambda p=points, c=count: quadratic(p, c))
                assert np.array_equal(rows, expected)
                print(f" {theirs:10.3f} {theirs / ours:6.1f}x", end="")
            print()


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


if __name__ == "__main__":
    farthest_points()
    scores()
    descriptors()
