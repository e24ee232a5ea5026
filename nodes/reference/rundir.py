"""Codes that write files: a private folder for each structure, and what is kept of it."""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from nodes.reference.failures import CodeError

__all__ = ["FileCode", "FileCodeCalculator", "Keep", "run_folder", "work_root"]

Keep = Literal["nothing", "outputs", "failed", "everything"]
_KEEP: tuple[Keep, ...] = ("nothing", "outputs", "failed", "everything")


@dataclass(frozen=True, kw_only=True)
class FileCode(ABC):
    """Base of the specs of codes that write files.

    Parameters
    ----------
    keep : what is kept of the folder of each structure: ``"outputs"`` (a few files of the code),
        ``"everything"``, ``"failed"`` (everything, but only of calculations that failed) or
        ``"nothing"``
    scratch : calculations run below this folder, and what is kept is moved afterwards; may hold
        variables such as ``"$TMPDIR"``. None runs them where files are kept.

    Attributes
    ----------
    __cache_version__ : stands for the code of the spec in the keys of its results, which are worth
        keeping when the code is merely tidied up; raised when results change
    code : name of the code
    properties : names of the results that it can give
    outputs : patterns of the files that ``keep="outputs"`` keeps
    """

    code: ClassVar[str]
    properties: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]

    keep: Keep = field(default="outputs", metadata={"key": False})
    scratch: str | None = field(default=None, metadata={"key": False})

    def __post_init__(self) -> None:
        if self.keep not in _KEEP:
            raise ValueError(f"keep must be one of {', '.join(_KEEP)}, received {self.keep!r}")

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        """Return a new calculator; files are kept in `directory`, by default ``./<code>``."""
        return FileCodeCalculator(self, directory)

    @abstractmethod
    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Compute one structure in its folder and return the results by ASE's names and units."""

    @property
    def implemented(self) -> tuple[str, ...]:
        """Names of the results that these settings give."""
        return self.properties


class FileCodeCalculator(Calculator):
    """Runs a spec in a new folder for each structure; nothing of one is seen by the next.

    Parameters
    ----------
    spec : what is run
    directory : where files are kept
    """

    def __init__(self, spec: FileCode, directory: Path | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.root = Path(directory or spec.code).absolute()
        self.implemented_properties = list(spec.implemented)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy and whatever of `properties` costs extra."""
        super().calculate(atoms, properties, system_changes)
        structure = cast("Atoms", self.atoms).copy()
        if "stress" in properties and not structure.pbc.any():
            raise PropertyNotImplementedError(
                "stress must be asked for structures that are periodic along some axis, received "
                f"{structure.get_chemical_formula()} without"
            )
        structure.set_constraint()
        self.results = self.evaluate(structure, properties)
        if not structure.pbc.any():
            self.results.pop("stress", None)

    def evaluate(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return the results for one structure."""
        with self.folder(atoms) as folder:
            return self.spec.compute(atoms, properties, folder)

    def folder(self, atoms: Atoms) -> Any:
        """Return the folder of one structure, as a context."""
        spec = self.spec
        return run_folder(
            f"{spec.code}-{atoms.get_chemical_formula()[:40]}-",
            self.root,
            scratch=spec.scratch,
            keep=spec.keep,
            outputs=spec.outputs,
        )


@contextmanager
def run_folder(
    prefix: str, root: Path, *, scratch: str | None, keep: Keep, outputs: Sequence[str]
) -> Generator[Path, None, None]:
    """Give a new folder; when it is left, keep what is to be kept and remove the rest.

    A CodeError that passes through gets the ``kept_files``.

    Parameters
    ----------
    prefix : start of the folder's name
    root : where files are kept
    scratch, keep, outputs : see :class:`FileCode`
    """
    parent = work_root(root, scratch)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    owner = os.getpid()
    try:
        yield folder
    except BaseException as error:
        if os.getpid() == owner:
            rule = "everything" if keep == "failed" else keep
            kept = _keep(folder, root, outputs=outputs, keep=rule)
            if isinstance(error, CodeError):
                error.kept_files = kept
        raise
    # A fork has a copy of this frame, but the folder is not its own.
    if os.getpid() == owner:
        rule = "nothing" if keep == "failed" else keep
        _keep(folder, root, outputs=outputs, keep=rule)


def work_root(root: Path, scratch: str | None) -> Path:
    """Return the existing folder in which calculations run."""
    parent = root if scratch is None else Path(os.path.expandvars(scratch)).expanduser().absolute()
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _keep(folder: Path, root: Path, *, keep: Keep, outputs: Sequence[str]) -> tuple[Path, ...]:
    """Remove what is not kept, move the rest below `root` and return its files."""
    if keep == "outputs":
        wanted = {path for pattern in outputs for path in folder.glob(pattern)}
        for path in folder.iterdir():
            if path in wanted:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    if keep == "nothing" or not any(folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
        return ()
    if folder.parent != root:
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(shutil.move(folder, root / folder.name))
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
