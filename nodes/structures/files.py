"""Structures from files."""

from pathlib import Path

import ase.io
from ase import Atoms

import zn_pipeline as zn


class LoadFrames(zn.Node):
    """Read structures from a file that ASE can read, or from a frames file of this project.

    Parameters
    ----------
    file : extended XYZ, ASE trajectory, VASP, CIF, ...; a ``.h5`` file is read as H5MD
    start, stop, step : which structures, as in a Python slice; all by default
    file_format : ASE's name of the format; None guesses it

    Attributes
    ----------
    frames : the structures, with energies and forces where the file has them

    Raises
    ------
    ValueError
        If the slice contains no structure.
    """

    file: Path = zn.deps_path()
    start: int | None = zn.params(None)
    stop: int | None = zn.params(None)
    step: int | None = zn.params(None)
    file_format: str | None = zn.params(None)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        rows = slice(self.start, self.stop, self.step)
        path = Path(self.file)
        if path.suffix in (".h5", ".h5md") and self.file_format is None:
            self.frames = list(zn.Frames.from_file(path)[rows])
        else:
            self.frames = list(ase.io.iread(path, index=rows, format=self.file_format))
        if not self.frames:
            raise ValueError(
                f"start, stop and step must select a structure of {path}, received {rows}"
            )
