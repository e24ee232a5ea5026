"""Speed of frames files beside znh5md, measured in one run: python benchmarks/frames.py."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import znh5md
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from zn_pipeline.serialize.frames import Frames, FramesWriter, write_frames

N_FRAMES = 1000
N_ATOMS = 100


def trajectory(n_frames: int, n_atoms: int) -> list[Atoms]:
    """Labelled random structures: numbers do not compress, which is the hardest case."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n_frames):
        atoms = Atoms(
            numbers=rng.integers(1, 20, n_atoms),
            positions=rng.normal(size=(n_atoms, 3)),
            cell=np.eye(3) * 10,
            pbc=True,
        )
        forces = rng.normal(size=(n_atoms, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=forces)
        frames.append(atoms)
    return frames


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def append_ours(path: Path, frames: list[Atoms]) -> None:
    with FramesWriter(path) as writer:
        for atoms in frames:
            writer.append(atoms)


def append_znh5md(path: Path, frames: list[Atoms]) -> None:
    io = znh5md.IO(path)
    for atoms in frames:
        io.append(atoms)


def report(task: str, ours: float, theirs: float) -> None:
    print(f"{task:34s} {ours * 1e3:10.1f} ms {theirs * 1e3:10.1f} ms {theirs / ours:8.1f} x")


def main() -> None:
    frames = trajectory(N_FRAMES, N_ATOMS)
    print(f"{N_FRAMES} frames of {N_ATOMS} atoms with energy and forces")
    print(f"{'':34s} {'zn_pipeline':>13s} {'znh5md':>13s}")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.h5", Path(folder) / "theirs.h5"
        report(
            "append one by one",
            seconds(lambda: append_ours(ours, frames)),
            seconds(lambda: append_znh5md(theirs, frames)),
        )
        bulk = Path(folder) / "bulk.h5"
        report(
            "write at once",
            seconds(lambda: write_frames(bulk, frames)),
            seconds(lambda: znh5md.IO(Path(folder) / "bulk_z.h5").extend(frames)),
        )
        report(
            "for atoms in frames",
            seconds(lambda: list(Frames.from_file(ours))),
            seconds(lambda: [atoms for atoms in znh5md.IO(theirs)]),  # noqa: C416
        )
        report(
            "read all at once",
            seconds(lambda: list(Frames.from_file(ours))),
            seconds(lambda: znh5md.IO(theirs)[:]),
        )
        report(
            "frames[i], i = 0, 1, 2 ...",
            seconds(lambda: by_index(ours)),
            seconds(lambda: [znh5md.IO(theirs)[i] for i in range(N_FRAMES)]),
        )
        report(
            "energies of all frames",
            seconds(lambda: Frames.from_file(ours).energies),
            seconds(lambda: [a.get_potential_energy() for a in znh5md.IO(theirs)[:]]),
        )
        sizes = [path.stat().st_size / 2**20 for path in (ours, theirs)]
        print(f"{'size of the file':34s} {sizes[0]:10.2f} MiB {sizes[1]:9.2f} MiB")


def by_index(path: Path) -> list[Atoms]:
    frames = Frames.from_file(path)
    return [frames[i] for i in range(N_FRAMES)]


if __name__ == "__main__":
    sys.exit(main())
