"""A trajectory in H5MD that grows while a simulation runs, and that znh5md reads."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from ase import Atoms

from nodes.dynamics.config.md import H5mdOptions

if TYPE_CHECKING:
    from nodes.numerics.md.frames import MDFrames

__all__ = ["SAVED", "TrajectoryFile"]

_PARTICLES = "particles/atoms"
_OBSERVABLES = "observables/atoms"
_CHUNK_NUMBERS = 2**14

SAVED = {
    "energy": ("energies", f"{_OBSERVABLES}/potential_energy", "calc", "eV"),
    "forces": ("forces", f"{_PARTICLES}/force", "calc", "eV/Angstrom"),
    "stress": ("stresses", f"{_OBSERVABLES}/stress", "calc", "eV/Angstrom^3"),
    "energy_uncertainty": ("energy_std", f"{_OBSERVABLES}/energy_std", "info", "eV"),
    "forces_uncertainty": (
        "force_std_max", f"{_OBSERVABLES}/force_std_max", "info", "eV/Angstrom",
    ),
    "temperature": ("temperature_k", f"{_OBSERVABLES}/temperature_k", "info", "K"),
    "pressure": ("pressure_gpa", f"{_OBSERVABLES}/pressure_gpa", "info", "GPa"),
    "conserved_energy": (
        "conserved_energies", f"{_OBSERVABLES}/conserved_energy", "info", "eV",
    ),
}  # fmt: skip
"""Property -> attribute of the frames, place in the file, where it goes in Atoms, unit."""

_ALWAYS = (
    ("positions", f"{_PARTICLES}/position", "atoms", "Angstrom"),
    ("velocities", f"{_PARTICLES}/velocity", "arrays", "Angstrom/fs"),
    ("cells", f"{_PARTICLES}/box/edges", "atoms", "Angstrom"),
    ("steps", f"{_OBSERVABLES}/step", "info", ""),
    ("times_fs", f"{_OBSERVABLES}/time_fs", "info", "fs"),
)


class TrajectoryFile:
    """Appends frames of one system to a file; a context.

    A file that is there is cut to `n_frames` frames, which removes what was written after the last
    state that was saved.

    Parameters
    ----------
    path : of the file
    start : elements and periodicity
    properties : names of `SAVED`; those that the first frames do not have (NaN) are left out
    options : how values are stored
    n_frames : frames to keep of a file that is there; 0 writes a new one
    sample_every, timestep_fs : distance of frames in steps, of steps in fs
    """

    def __init__(
        self,
        path: Path,
        start: Atoms,
        properties: tuple[str, ...],
        options: H5mdOptions,
        *,
        n_frames: int,
        sample_every: int,
        timestep_fs: float,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._start, self._options = start, options
        self._every = (sample_every, sample_every * timestep_fs)
        self._columns = [*_ALWAYS, *(SAVED[name] for name in properties if name in SAVED)]
        self._file: Any = h5py.File(path, "r+" if n_frames else "w")
        if n_frames:
            self._cut(n_frames)
        else:
            self._write_header()

    def __enter__(self) -> "TrajectoryFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, frames: "MDFrames") -> None:
        """Add frames to what is there."""
        count, n = len(frames), len(self._start)
        if not count:
            return
        begun = f"{_PARTICLES}/species" in self._file
        for attribute, place, origin, unit in self._columns:
            values = np.asarray(getattr(frames, attribute), np.float64)
            if attribute == "stresses":
                values = values.reshape(-1, 9)[:, [0, 4, 8, 5, 2, 1]]
            if place in self._file or not (begun or np.isnan(values).all()):
                self._extend(place, values, origin, unit, frames)
        numbers = np.broadcast_to(self._start.numbers.astype(np.float64), (count, n))
        self._extend(f"{_PARTICLES}/species", numbers, "atoms", "", frames)
        pbc = np.broadcast_to(self._start.pbc.astype(np.float64), (count, 3))
        self._extend(f"{_PARTICLES}/box/pbc", pbc, "atoms", "", frames)

    def flush(self) -> None:
        """Make sure that all is on disk."""
        self._file.flush()

    def _write_header(self) -> None:
        header = self._file.create_group("h5md")
        header.attrs["version"] = [1, 1]
        author = header.create_group("author")
        author.attrs["name"] = self._options.author
        author.attrs["email"] = self._options.author_email
        creator = header.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "zn_pipeline", "1"
        box = self._file.create_group(f"{_PARTICLES}/box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["periodic" if p else "none" for p in self._start.pbc]
        self._file.create_group(_OBSERVABLES)

    def _extend(
        self, place: str, values: np.ndarray, origin: str, unit: str, frames: "MDFrames"
    ) -> None:
        if place not in self._file:
            self._create(place, values.shape[1:], origin, unit)
        dataset = self._file[f"{place}/value"]
        filled = len(dataset)
        dataset.resize(filled + len(values), axis=0)
        dataset[filled:] = values
        if self._options.store == "time":
            for name, column in (("step", frames.steps), ("time", frames.times_fs)):
                axis = self._file[f"{place}/{name}"]
                axis.resize(filled + len(values), axis=0)
                axis[filled:] = column

    def _create(self, place: str, shape: tuple[int, ...], origin: str, unit: str) -> None:
        group = self._file.create_group(place)
        group.attrs["ASE_ENTRY_ORIGIN"] = origin
        rows = int(max(1, min(1024, _CHUNK_NUMBERS // max(1, np.prod(shape, dtype=int)))))
        level = self._options.compression_opts if self._options.compression == "gzip" else None
        storage = {"compression": self._options.compression, "compression_opts": level}
        value = group.create_dataset(
            "value", (0, *shape), "f8", maxshape=(None, *shape), chunks=(rows, *shape), **storage
        )
        if unit:
            value.attrs["unit"] = unit
        for name, kind, distance in zip(("step", "time"), ("i8", "f8"), self._every, strict=True):
            if self._options.store == "time":
                axis = group.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1024,))
            else:
                axis = group.create_dataset(name, data=np.array(distance, kind))
            if name == "time":
                axis.attrs["unit"] = "fs"

    def _cut(self, n_frames: int) -> None:
        """Drop what comes after the first frames."""

        def cut(name: str, item: Any) -> None:
            growing = isinstance(item, h5py.Dataset) and (item.maxshape or ())[:1] == (None,)
            if growing and len(item) < n_frames:
                raise ValueError(
                    f"{self._file.filename} must hold the {n_frames} frames of the simulation that "
                    f"goes on, received {len(item)}; set restart to false"
                )
            if growing:
                item.resize(n_frames, axis=0)

        self._file.visititems(cut)
