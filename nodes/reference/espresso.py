"""Quantum ESPRESSO: P. Giannozzi et al., *J. Phys.: Condens. Matter* **29**, 465901 (2017)."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io import read
from ase.io.espresso import write_espresso_in

from nodes.reference.electrons import total_charge
from nodes.reference.espresso_socket import SocketCalculator
from nodes.reference.failures import CodeCrashedError, NotConvergedError, crash
from nodes.reference.kpoints import check_kpoints, kpoints
from nodes.reference.program import ProgramCode

__all__ = ["QuantumEspresso"]


@dataclass(frozen=True)
class QuantumEspresso(ProgramCode):
    """Density functional theory with plane waves by ``pw.x``.

    Cells are always periodic for this code: give molecules a cell with vacuum. They get the Gamma
    point and no stress.

    Parameters
    ----------
    pseudopotentials : UPF file of each element
    cutoff_ry : of the wave functions, ``ecutwfc``
    density_cutoff_ry : ``ecutrho``; None takes that of the code
    kspacing_per_angstrom : largest distance of k-points, with the factor 2 pi
    kgrid : numbers of k-points instead; the grid always holds Gamma, and there is one point along
        axes that are not periodic
    charge : total charge in e; None takes that of the structure
    settings : further input by namelist, e.g. ``{"electrons": {"conv_thr": 1e-8}}``
    socket : keep one ``pw.x`` running and send it positions (i-PI protocol): each structure starts
        from the density of the one before, as long as elements, cell and charge are the same. That
        is for relaxations and dynamics; results then depend on the structures before within the
        convergence threshold.
    command, version, environment, time_limit_s, keep, scratch : see
        :class:`~nodes.reference.program.ProgramCode`
    """

    __cache_version__: ClassVar[str] = "1"
    code: ClassVar[str] = "espresso"
    properties: ClassVar[tuple[str, ...]] = ("energy", "free_energy", "forces", "stress")
    outputs: ClassVar[tuple[str, ...]] = ("espresso.pwi", "espresso.pwo", "CRASH")
    version_pattern: ClassVar[str] = r"Program PWSCF\s+v\.(\S+)"
    reads: ClassVar[tuple[str, ...]] = ("initial_magmoms", "initial_charges", "info.charge")
    packages: ClassVar[tuple[str, ...]] = ("ase",)

    pseudopotentials: Mapping[str, Path]
    cutoff_ry: float
    density_cutoff_ry: float | None = None
    kspacing_per_angstrom: float | None = None
    kgrid: tuple[int, int, int] | None = None
    charge: int | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    socket: bool = False
    command: str = field(default="pw.x", metadata={"key": False}, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kpoints(self.kspacing_per_angstrom, self.kgrid)
        files = {element: Path(path) for element, path in self.pseudopotentials.items()}
        object.__setattr__(self, "pseudopotentials", files)

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        """Return a new calculator; files are kept in `directory`, by default ``./espresso``."""
        if self.socket:
            return SocketCalculator(self, directory)
        return super().get_calculator(directory)

    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Run one structure; see :class:`~nodes.reference.rundir.FileCode`."""
        self.write_input(atoms, properties, folder)
        exit_code = self.run(folder, output="espresso.pwo", arguments=["-in", "espresso.pwi"])
        output = (folder / "espresso.pwo").read_text(errors="replace")
        self.check_version(output[:2000])
        self.check_convergence(output)
        if exit_code or "JOB DONE" not in output:
            raise crash("pw.x", exit_code, output[-20_000:])
        try:
            found = cast("Any", read(folder / "espresso.pwo", format="espresso-out")).calc.results
        except (AssertionError, IndexError, StopIteration, ValueError) as error:
            raise CodeCrashedError(
                f"the output of pw.x must be complete, received {error!r} on reading it"
            ) from error
        return {name: found[name] for name in self.properties if found.get(name) is not None}

    def check_convergence(self, output: str) -> None:
        """Raise NotConvergedError if ``pw.x`` says so in what it printed."""
        told = re.search(r"convergence NOT achieved.*", output)
        if told is not None:
            raise NotConvergedError(
                f'the SCF cycle of pw.x must converge, received "{told[0].strip()}"; '
                'set electron_maxstep or mixing_beta in settings={"electrons": ...}'
            )

    def write_input(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> None:
        """Write ``espresso.pwi`` and put the pseudopotentials beside it."""
        if atoms.cell.rank < 3:
            raise ValueError(
                "structures for Quantum ESPRESSO must have three cell vectors, received "
                f"{atoms.get_chemical_formula()} with cell {atoms.cell.lengths()}; add vacuum, "
                "e.g. atoms.center(vacuum=5.0)"
            )
        elements = sorted(set(atoms.get_chemical_symbols()))
        missing = [element for element in elements if element not in self.pseudopotentials]
        if missing:
            raise ValueError(
                f"pseudopotentials must name a file for {', '.join(missing)}, "
                f"received {sorted(self.pseudopotentials)}"
            )
        for element in elements:
            (folder / f"{element}.upf").symlink_to(
                self.pseudopotentials[element].resolve(strict=True)
            )
        system = {"ecutwfc": self.cutoff_ry, "tot_charge": total_charge(atoms, self.charge)}
        if self.density_cutoff_ry is not None:
            system["ecutrho"] = self.density_cutoff_ry
        data: dict[str, dict[str, Any]] = {
            "control": {
                "outdir": "./out",
                "tprnfor": "forces" in properties,
                "tstress": "stress" in properties,
            },
            "system": system,
        }
        if self.socket:
            # The symmetry of the first structure would be forced upon the others.
            system["nosym"] = True
        for section, values in self.settings.items():
            data[section] = {**data.get(section, {}), **values}
        data["control"]["pseudo_dir"] = "."
        grid = kpoints(atoms, spacing_per_angstrom=self.kspacing_per_angstrom, grid=self.kgrid)
        with (folder / "espresso.pwi").open("w") as stream, warnings.catch_warnings():
            # The number of valence electrons is not looked up for a magnetic start.
            warnings.simplefilter("ignore", UserWarning)
            write_espresso_in(
                stream,
                atoms,
                input_data=data,
                pseudopotentials={element: f"{element}.upf" for element in elements},
                kpts=None if grid == (1, 1, 1) else grid,
            )
