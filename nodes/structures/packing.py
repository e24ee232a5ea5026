"""Periodic boxes filled with molecules by Packmol."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import _amu
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.extras import require

_DALTON_PER_ANGSTROM3_IN_G_PER_CM3 = _amu * 1e27


class PackBox(zn.Node):
    """Fill cubic periodic boxes with whole molecules at random places and orientations.

    Uses Packmol (L. Martinez et al., *J. Comput. Chem.* **30**, 2157 (2009)) with periodic
    distances, so that `tolerance_angstrom` also holds across the faces of the box. Each box has
    its own seed and its own draw of conformers, both derived from `seed`.

    Parameters
    ----------
    molecules : for each species a list of conformers
    counts : number of molecules of each species
    density_g_per_cm3 : mass density of the box; give this or `box_length_angstrom`
    box_length_angstrom : edge of the box
    tolerance_angstrom : smallest distance between atoms of different molecules
    n_boxes : number of boxes
    seed : seed of the whole node

    Attributes
    ----------
    frames : `n_boxes` structures, cell in Angstrom, pbc on all axes; atoms of a molecule are
        neighbours in the list and in space (no molecule is cut by the box), species in the order
        of `molecules`

    Raises
    ------
    ValueError
        If counts or sizes do not fit together, or the molecules cannot be packed.
    MissingExtraError
        If packmol is not installed.
    """

    molecules: list[list[Atoms]] = zn.deps()
    counts: list[int] = zn.params()
    density_g_per_cm3: float | None = zn.params(None)
    box_length_angstrom: float | None = zn.params(None)
    tolerance_angstrom: float = zn.params(2.0)
    n_boxes: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        if len(self.counts) != len(self.molecules) or not all(self.molecules):
            raise ValueError(
                "counts must have one entry for each species of molecules and each species at "
                f"least one conformer, received {len(self.counts)} counts and conformers "
                f"{[len(conformers) for conformers in self.molecules]}"
            )
        if min(self.counts) < 0 or sum(self.counts) == 0:
            raise ValueError(f"counts must be 0 or more with one above 0, received {self.counts}")
        if self.n_boxes < 1 or self.tolerance_angstrom <= 0:
            raise ValueError(
                "n_boxes must be at least 1 and tolerance_angstrom positive, "
                f"received {self.n_boxes} and {self.tolerance_angstrom}"
            )
        self.frames = []
        for box in range(self.n_boxes):
            rng = np.random.default_rng([self.seed, box])
            drawn = _drawn_conformers(self.molecules, self.counts, rng)
            self.frames.append(
                packed_box(
                    drawn,
                    length_angstrom=self._box_length(drawn),
                    tolerance_angstrom=self.tolerance_angstrom,
                    seed=int(rng.integers(1, 2**31 - 1)),
                )
            )

    def _box_length(self, molecules: Sequence[Atoms]) -> float:
        """Return the edge of the box in Angstrom."""
        sizes = (self.density_g_per_cm3, self.box_length_angstrom)
        given = [size for size in sizes if size is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError(
                "exactly one of density_g_per_cm3 and box_length_angstrom must be given and "
                f"positive, received {sizes[0]} and {sizes[1]}"
            )
        if self.box_length_angstrom is not None:
            return self.box_length_angstrom
        mass = sum(float(molecule.get_masses().sum()) for molecule in molecules)
        return float(np.cbrt(mass * _DALTON_PER_ANGSTROM3_IN_G_PER_CM3 / given[0]))


def packed_box(
    molecules: Sequence[Atoms], *, length_angstrom: float, tolerance_angstrom: float, seed: int
) -> Atoms:
    """Place each molecule once in a cubic periodic box.

    Parameters
    ----------
    molecules : the molecules, in the order in which they stand in the result
    length_angstrom : edge of the box
    tolerance_angstrom : smallest distance between atoms of different molecules
    seed : Packmol's own seed, in [1, 2^31 - 1)

    Raises
    ------
    ValueError
        If Packmol finds no placement.
    """
    executable = require("packmol.cli", extra="chem").get_binary_path()
    with tempfile.TemporaryDirectory() as folder:
        script, packed = Path(folder, "packmol.inp"), Path(folder, "packed.xyz")
        script.write_text(
            _packmol_script(Path(folder), molecules, length_angstrom, tolerance_angstrom, seed)
        )
        with script.open() as commands:  # Packmol reads its input twice: a pipe will not do
            done = subprocess.run(
                [executable],
                stdin=commands,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        positions = _read_one(packed).positions if packed.exists() else None
    box = Atoms()
    for molecule in molecules:
        box.extend(molecule)
    ok = done.returncode == 0 and positions is not None and len(positions) == len(box)
    if ok:
        box.set_positions(positions)
        box.set_cell([length_angstrom] * 3)
        box.set_pbc(True)
        owner = np.repeat(np.arange(len(molecules)), [len(molecule) for molecule in molecules])
        # Packmol accepts a placement when distances are right to about one percent.
        ok = not _has_close_contact(box, owner, 0.98 * tolerance_angstrom)
    if not ok:
        raise ValueError(
            f"{len(molecules)} molecules must fit into a box of {length_angstrom:.3f} Angstrom "
            f"with distances of {tolerance_angstrom} Angstrom, received no placement from "
            "Packmol; lower the density or the tolerance. Its last words: "
            f"{(done.stdout + done.stderr)[-300:].strip()}"
        )
    return box


def _read_one(path: Path) -> Atoms:
    return next(iter(ase.io.iread(path)))


def _packmol_script(
    folder: Path, molecules: Sequence[Atoms], length: float, tolerance: float, seed: int
) -> str:
    """Write each distinct molecule to `folder` and return Packmol's input."""
    lines = [
        f"tolerance {tolerance}",
        f"seed {seed}",
        "filetype xyz",
        "output packed.xyz",
        f"pbc {length} {length} {length}",
    ]
    start = 0
    while start < len(molecules):
        stop = start
        while stop < len(molecules) and molecules[stop] is molecules[start]:
            stop += 1
        ase.io.write(folder / f"{start}.xyz", molecules[start], format="xyz")
        lines += [f"structure {start}.xyz", f"  number {stop - start}", "end structure"]
        start = stop
    return "\n".join(lines) + "\n"


def _drawn_conformers(
    molecules: Sequence[Sequence[Atoms]], counts: Sequence[int], rng: np.random.Generator
) -> list[Atoms]:
    """Draw `counts` conformers of each species, each conformer about equally often."""
    drawn: list[Atoms] = []
    for species, count in zip(molecules, counts, strict=True):
        conformers = list(species)
        rounds = -(-count // len(conformers))
        rows = [rng.permutation(len(conformers)) for _ in range(rounds)]
        picks = np.sort(np.concatenate(rows)[:count]) if rounds else []
        drawn += [conformers[row] for row in picks]
    return drawn


def _has_close_contact(box: Atoms, owner: NDArray[np.int64], distance: float) -> bool:
    """Whether atoms of different molecules, or periodic images, are nearer than `distance`."""
    i, j, shift = neighbor_list("ijS", box, distance)
    return bool(((owner[i] != owner[j]) | shift.any(axis=1)).any())
