"""Cost per item of the parts of the item store: python benchmarks/items_store.py [N]."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from zn_pipeline.items.leases import owner_name
from zn_pipeline.items.records import ItemRecord
from zn_pipeline.items.segment import scan
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import decode, encode

REPEATS = 3


def labelled(rng: np.random.Generator) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.positions += rng.normal(scale=0.05, size=(4, 3))
    forces, stress = rng.normal(size=(4, 3)), rng.normal(size=6)
    atoms.calc = SinglePointCalculator(atoms, energy=float(rng.normal()), forces=forces)
    atoms.calc.results["stress"] = stress
    return atoms


def measure(label: str, n: int, job: Callable[[], object], repeats: int = REPEATS) -> None:
    """Print the least time of a few runs, in microseconds for each item."""
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
    print(f"{label:42s} {best[0] / n * 1e6:8.2f} us CPU {best[1] / n * 1e6:8.2f} us wall")


def main(n: int) -> None:
    rng = np.random.default_rng(0)
    frames = [labelled(rng) for _ in range(n)]
    bodies = [encode(atoms) for atoms in frames]
    print(f"{n} structures of 4 atoms with results, {len(bodies[0])} bytes each")
    measure("encode", n, lambda: [encode(atoms) for atoms in frames])
    measure("decode, one at a time", n, lambda: [decode(body) and None for body in bodies])
    records = [
        ItemRecord(rng.bytes(20), bytes(20), rng.bytes(16), "ok", body, 0.1) for body in bodies
    ]
    keys = [record.key for record in records]
    with tempfile.TemporaryDirectory() as folder:
        store = ItemStore(Path(folder))
        writer = store.writer()
        places = []
        measure("append", n, lambda: places.extend(map(writer.append, records)), 1)
        told = list(zip(records, places, strict=True))
        for chunk in (100, 1000, n):
            store.index.db.execute("DELETE FROM items")
            chunks = [told[start : start + chunk] for start in range(0, n, chunk)]
            measure(
                f"index insert, {chunk} at once", n,
                lambda chunks=chunks: [store.add(part) for part in chunks], 1,
            )  # fmt: skip
        measure("find", n, lambda: store.find(keys))
        measure("read", n, lambda: [None for _ in store.read_many(places)])
        measure("scan of a segment", n, lambda: scan(store.segments / writer.name))
        measure("rebuild of the index", n, store.rebuild)
        owner = owner_name()
        measure("take leases", n, lambda: store.leases.take(keys, owner), 1)
        measure("release leases", n, lambda: store.leases.release(owner), 1)
        size = (store.segments / writer.name).stat().st_size
        print(f"segment {size / n:.0f} bytes each, index {_index_bytes(store) / n:.0f}")
        store.close()


def _index_bytes(store: ItemStore) -> int:
    store.index.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store.index.file.stat().st_size


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
