"""VASP: G. Kresse and J. Furthmueller, *Phys. Rev. B* **54**, 11169 (1996)."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from ase import Atoms
from ase.io import ParseError, read, write

from nodes.reference.electrons import total_charge
from nodes.reference.failures import CodeCrashedError, NotConvergedError, crash
from nodes.reference.kpoints import check_kpoints, kpoints
from nodes.reference.program import ProgramCode, tail

__all__ = ["Vasp", "incar_text", "kpoints_text", "right_handed", "vasp_results"]

_OURS = ("KSPACING", "KGAMMA", "MAGMOM", "NELECT", "SYSTEM")


@dataclass(frozen=True)
class Vasp(ProgramCode):
    """Energies, forces and stresses from VASP 5 or 6.

    Atoms are written sorted by element and the results are given in the order of the structure.
    A left-handed cell, which VASP refuses, is written with all vectors reversed: the same lattice.

    Parameters
    ----------
    incar : tags of INCAR; ENCUT must be among them. MAGMOM comes from the initial magnetic
        moments if ISPIN is 2, NELECT from the charge.
    potentials : POTCAR file of each element
    kspacing_per_angstrom : largest distance of k-points, with the factor 2 pi as in KSPACING
    kgrid : numbers of k-points instead; the grid always holds Gamma, and there is one point along
        axes that are not periodic
    steps : changes of `incar` for calculations one after the other in one folder, each of which
        finds WAVECAR and CHGCAR of the one before, e.g. ``[{}, {"GGA": "PE", "LHFCALC": True}]``;
        results are those of the last
    charge : total charge in e; None takes that of the structure
    command_gamma : run instead of `command` if Gamma is the only k-point
    command, version, environment, time_limit_s, keep, scratch : see
        :class:`~nodes.reference.program.ProgramCode`; the time limit is one for each step
    """

    __cache_version__: ClassVar[str] = "1"
    code: ClassVar[str] = "vasp"
    properties: ClassVar[tuple[str, ...]] = ("energy", "free_energy", "forces", "stress")
    outputs: ClassVar[tuple[str, ...]] = (
        "INCAR*", "KPOINTS", "POSCAR", "OUTCAR*", "OSZICAR*", "vasprun.xml", "vasp.out*",
    )  # fmt: skip
    version_pattern: ClassVar[str] = r"vasp\.(\S+)"
    reads: ClassVar[tuple[str, ...]] = ("initial_magmoms", "initial_charges", "info.charge")
    packages: ClassVar[tuple[str, ...]] = ("ase",)

    incar: Mapping[str, Any]
    potentials: Mapping[str, Path]
    kspacing_per_angstrom: float | None = None
    kgrid: tuple[int, int, int] | None = None
    steps: list[Mapping[str, Any]] = field(default_factory=lambda: [{}])
    charge: int | None = None
    command: str = field(default="vasp_std", metadata={"key": False}, kw_only=True)
    command_gamma: str | None = field(default=None, metadata={"key": False}, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kpoints(self.kspacing_per_angstrom, self.kgrid)
        tags = {name.upper() for changes in (self.incar, *self.steps) for name in changes}
        if "ENCUT" not in {name.upper() for name in self.incar}:
            raise ValueError(
                "incar must set ENCUT (eV): the default depends on the elements, and energies of "
                f"different structures would not compare; received {sorted(self.incar)}"
            )
        if tags & set(_OURS):
            raise ValueError(
                f"incar must leave out {', '.join(_OURS)}, received {sorted(tags & set(_OURS))}; "
                "they follow from the structure, from charge, kgrid and kspacing_per_angstrom"
            )
        files = {element: Path(path) for element, path in self.potentials.items()}
        object.__setattr__(self, "potentials", files)
        object.__setattr__(self, "steps", list(self.steps))

    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Run all steps for one structure; see :class:`~nodes.reference.rundir.FileCode`."""
        order = np.argsort(atoms.get_chemical_symbols(), kind="stable")
        written = right_handed(atoms)[order]
        grid = kpoints(atoms, spacing_per_angstrom=self.kspacing_per_angstrom, grid=self.kgrid)
        self._write_fixed_files(written, grid, folder)
        only_gamma = grid == (1, 1, 1) and self.command_gamma is not None
        command = self.command_gamma if only_gamma else self.command
        tags = self._tags_of(written, total_charge(atoms, self.charge), folder)
        for number, changes in enumerate(self.steps):
            if number:
                for name in ("INCAR", "OUTCAR", "OSZICAR", "vasp.out"):
                    if (folder / name).is_file():
                        shutil.copyfile(folder / name, folder / f"{name}.{number}")
                        (folder / name).unlink()
            every = {name.upper(): value for name, value in self.incar.items()}
            every |= {name.upper(): value for name, value in changes.items()}
            (folder / "INCAR").write_text(incar_text(every | tags))
            exit_code = self.run(folder, output="vasp.out", command=command)
            self._check_step(folder, exit_code)
        return vasp_results(folder / "vasprun.xml", order)

    def _write_fixed_files(self, atoms: Atoms, grid: tuple[int, int, int], folder: Path) -> None:
        """Write POSCAR, KPOINTS and POTCAR."""
        write(folder / "POSCAR", atoms, format="vasp", direct=True, vasp5=True)
        (folder / "KPOINTS").write_text(kpoints_text(grid))
        elements = list(dict.fromkeys(atoms.get_chemical_symbols()))
        missing = [element for element in elements if element not in self.potentials]
        if missing:
            raise ValueError(
                f"potentials must name a POTCAR for {', '.join(missing)}, "
                f"received {sorted(self.potentials)}"
            )
        with (folder / "POTCAR").open("wb") as stream:
            for element in elements:
                stream.write(self.potentials[element].read_bytes())

    def _tags_of(self, atoms: Atoms, charge: int, folder: Path) -> dict[str, Any]:
        """Return the tags of INCAR that follow from the structure."""
        tags: dict[str, Any] = {"SYSTEM": atoms.get_chemical_formula()}
        settings = {name.upper(): value for name, value in self.incar.items()}
        if settings.get("ISPIN") == 2 and atoms.has("initial_magmoms"):
            tags["MAGMOM"] = atoms.get_initial_magnetic_moments().ravel().tolist()
        if charge:
            valence = re.findall(r"ZVAL\s*=\s*([\d.]+)", (folder / "POTCAR").read_text())
            elements = list(dict.fromkeys(atoms.get_chemical_symbols()))
            per_element = dict(zip(elements, map(float, valence), strict=True))
            tags["NELECT"] = sum(per_element[s] for s in atoms.get_chemical_symbols()) - charge
        return tags

    def _check_step(self, folder: Path, exit_code: int) -> None:
        """Raise the fitting CodeError if a step did not come to a converged end."""
        outcar = folder / "OUTCAR"
        text = outcar.read_text(errors="replace") if outcar.is_file() else ""
        self.check_version(text[:2000])
        if exit_code:
            raise crash("VASP", exit_code, tail(folder / "vasp.out"))
        if "General timing and accounting" not in text:
            raise CodeCrashedError(
                "OUTCAR of VASP must end with its timing, received the output\n"
                f"{tail(folder / 'vasp.out', 800)}",
                exit_code=exit_code,
            )
        loops = re.findall(r"aborting loop (.*?)-*$", text, re.M)
        if not loops or "EDIFF is reached" not in loops[-1]:
            raise NotConvergedError(
                "the electronic loop of VASP must reach EDIFF, received "
                f"{loops[-1].strip() if loops else 'NELM iterations'}; raise NELM or change ALGO, "
                "the mixing or the smearing"
            )


def right_handed(atoms: Atoms) -> Atoms:
    """Return a copy whose cell vectors are all reversed if they form a left-handed system.

    Lattice and Cartesian positions stay as they are, and so do forces and stress.
    """
    twin = atoms.copy()
    if np.linalg.det(atoms.cell.array) < 0:
        twin.set_cell(-atoms.cell.array, scale_atoms=False)
    return twin


def incar_text(tags: Mapping[str, Any]) -> str:
    """Return an INCAR file; True and False are written as .TRUE. and .FALSE."""

    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return ".TRUE." if value else ".FALSE."
        if isinstance(value, (list, tuple)):
            return " ".join(shown(entry) for entry in value)
        return str(value)

    return "".join(f"{name.upper()} = {shown(value)}\n" for name, value in tags.items())


def kpoints_text(grid: Sequence[int]) -> str:
    """Return a KPOINTS file with a grid that holds Gamma."""
    return f"k-points\n0\nGamma\n{grid[0]} {grid[1]} {grid[2]}\n0 0 0\n"


def vasp_results(path: Path, order: np.ndarray) -> dict[str, Any]:
    """Read energies (eV), forces (eV/Angstrom) and stress (eV/Angstrom^3) of ``vasprun.xml``.

    Parameters
    ----------
    path : the file
    order : row in the structure of each atom of the file
    """
    try:
        found = dict(cast("Any", read(path, format="vasp-xml")).calc.results)
    except (AttributeError, OSError, ParseError, StopIteration, SyntaxError, ValueError) as error:
        raise CodeCrashedError(f"vasprun.xml must be complete, received {error}") from error
    results = {name: found[name] for name in ("energy", "free_energy", "stress") if name in found}
    if "forces" in found:
        results["forces"] = np.empty_like(found["forces"])
        results["forces"][order] = found["forces"]
    return results
