"""Frames files beside znh5md in one run: python benchmarks/frames.py [n_frames].

Appending frames one by one, iterating over them, reading one column, all at once and by index, and
the size of a file of 200 dimers and one frame of 500 atoms. znh5md reads both our files.
"""

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

N_FRAMES = 10_000
N_ATOMS = 20
N_BY_INDEX = 1000
MIXED_SIZES = [2] * 100 + [500] + [2] * 100


def trajectory(sizes: list[int]) -> list[Atoms]:
    """Labelled random structures: numbers do not compress, which is the hardest case."""
    rng = np.random.default_rng(0)
    frames = []
    for n_atoms in sizes:
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
    print(
        f"{task:34s} {ours * 1e3:10.1f} ms {theirs * 1e3:10.1f} ms {theirs / ours:8.1f} x",
        flush=True,
    )


def check(path: Path, frames: list[Atoms]) -> None:
    """Let znh5md read our file."""
    for one, other in zip(znh5md.IO(path)[:], frames, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.get_forces(), other.get_forces())


def long_file(folder: Path, n_frames: int) -> None:
    frames = trajectory([N_ATOMS] * n_frames)
    ours, theirs = folder / "ours.h5", folder / "theirs.h5"
    print(f"{n_frames} frames of {N_ATOMS} atoms with energy and forces")
    print(f"{'':34s} {'zn_pipeline':>13s} {'znh5md':>13s}")
    report(
        "append one by one",
        seconds(lambda: append_ours(ours, frames)),
        seconds(lambda: append_znh5md(theirs, frames)),
    )
    report(
        "for atoms in frames",
        seconds(lambda: [len(atoms) for atoms in Frames(ours)]),
        seconds(lambda: [len(atoms) for atoms in znh5md.IO(theirs)]),
    )
    report(
        "one column (energies)",
        seconds(lambda: Frames(ours).energies),
        seconds(lambda: [a.get_potential_energy() for a in znh5md.IO(theirs)[:]]),
    )
    report(
        "read all at once",
        seconds(lambda: list(Frames(ours))),
        seconds(lambda: znh5md.IO(theirs)[:]),
    )
    report(
        "write all at once",
        seconds(lambda: write_frames(folder / "bulk.h5", frames)),
        seconds(lambda: znh5md.IO(folder / "bulk_theirs.h5").extend(frames)),
    )
    count = min(N_BY_INDEX, n_frames)
    report(
        f"frames[i], {count} times",
        seconds(lambda: by_index(ours, count)),
        seconds(lambda: [znh5md.IO(theirs)[i] for i in range(count)]),
    )
    check(ours, frames)


def mixed_sizes(folder: Path) -> None:
    frames = trajectory(MIXED_SIZES)
    small = [atoms for atoms in frames if len(atoms) == 2]
    sizes = {}
    for name, contents in (("mixed", frames), ("dimers", small)):
        append_ours(folder / f"{name}.h5", contents)
        append_znh5md(folder / f"{name}_theirs.h5", contents)
        sizes[name] = [
            (folder / f"{name}{end}.h5").stat().st_size / 1000 for end in ("", "_theirs")
        ]
    print("\nsize of files in kB")
    for name, label in (("dimers", "200 dimers"), ("mixed", "and one frame of 500 atoms")):
        ours, theirs = sizes[name]
        print(f"{label:34s} {ours:10.1f} kB {theirs:10.1f} kB {theirs / ours:8.1f} x")
    check(folder / "mixed.h5", frames)


def main() -> None:
    n_frames = int(sys.argv[1]) if len(sys.argv) > 1 else N_FRAMES
    with tempfile.TemporaryDirectory() as folder:
        long_file(Path(folder), n_frames)
        mixed_sizes(Path(folder))


def by_index(path: Path, count: int) -> list[Atoms]:
    frames = Frames(path)
    return [frames[i] for i in range(count)]


if __name__ == "__main__":
    sys.exit(main())
