"""CP2K: T. D. Kuehne et al., *J. Chem. Phys.* **152**, 194103 (2020)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.cp2k import InputSection, parse_input

from nodes.reference.cp2k_shell import ShellCalculator
from nodes.reference.electrons import charge_and_multiplicity, total_charge
from nodes.reference.kpoints import check_kpoints, gamma_grid, kpoints
from nodes.reference.program import ProgramCode

__all__ = ["Cp2k"]


@dataclass(frozen=True)
class Cp2k(ProgramCode):
    r"""Energies, forces and stresses from CP2K, by one ``cp2k_shell`` that stays.

    The shell serves all structures of a worker; each starts from atomic densities, so that its
    result does not depend on the one before it. A shell that dies fails the structure that it was
    computing and is started again for the next.

    Parameters
    ----------
    xc : functional, as CP2K calls it; None writes none
    basis_set, potential : their names, the same for all elements; a section KIND of `template`
        that names its own goes first
    basis_file, potential_file : where they are defined: a file, or a name in CP2K's own data
    cutoff_ry : of the finest grid; None takes that of the code
    max_iterations : limit on the self-consistent iterations
    kspacing_per_angstrom : largest distance of k-points, with the factor 2 pi
    kgrid : numbers of k-points instead; the grid always holds Gamma, and there is one point along
        axes that are not periodic
    charge : total charge in e; None takes that of the structure
    multiplicity : 2S + 1; None takes that of the structure if it has magnetic moments or an odd
        number of electrons, and 1 otherwise
    template : input of CP2K into which all this is written, e.g.
        ``"&FORCE_EVAL\n&DFT\n&SCF\nEPS_SCF 1e-7\n&END SCF\n&END DFT\n&END FORCE_EVAL"``.
        What it says itself is left as it is.
    reuse_orbitals : start from the orbitals of the structure before, as long as elements, cell,
        charge and spin are the same. That is for relaxations and dynamics; results then depend on
        the structures before within the convergence threshold.
    command, version, environment, time_limit_s, keep, scratch : see
        :class:`~nodes.reference.program.ProgramCode`
    """

    __cache_version__: ClassVar[str] = "1"
    code: ClassVar[str] = "cp2k"
    properties: ClassVar[tuple[str, ...]] = ("energy", "free_energy", "forces", "stress")
    outputs: ClassVar[tuple[str, ...]] = ("cp2k.inp", "cp2k.out")
    version_pattern: ClassVar[str] = r"CP2K version (\S+)"
    reads: ClassVar[tuple[str, ...]] = (
        "initial_magmoms",
        "initial_charges",
        "info.charge",
        "info.multiplicity",
    )
    packages: ClassVar[tuple[str, ...]] = ("ase",)

    xc: str | None = "PBE"
    basis_set: str | None = "DZVP-MOLOPT-SR-GTH"
    potential: str | None = "GTH-PBE"
    basis_file: Path = Path("BASIS_MOLOPT")
    potential_file: Path = Path("GTH_POTENTIALS")
    cutoff_ry: float | None = 400.0
    max_iterations: int = 50
    kspacing_per_angstrom: float | None = None
    kgrid: tuple[int, int, int] | None = None
    charge: int | None = None
    multiplicity: int | None = None
    template: str = ""
    reuse_orbitals: bool = False
    command: str = field(default="cp2k_shell", metadata={"key": False}, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kpoints(self.kspacing_per_angstrom, self.kgrid)
        for name in ("basis_file", "potential_file"):
            object.__setattr__(self, name, Path(getattr(self, name)))

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        """Return a new calculator; files are kept in `directory`, by default ``./cp2k``."""
        return ShellCalculator(self, directory)

    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Not used: the shell computes; see :class:`ShellCalculator`."""
        raise NotImplementedError

    def state_of(self, atoms: Atoms) -> tuple[int, int]:
        """Return charge and multiplicity; 1 stands for closed shells."""
        moments = atoms.get_initial_magnetic_moments().any()
        given = self.multiplicity is not None or "multiplicity" in atoms.info
        odd = (atoms.numbers.sum() - total_charge(atoms, self.charge)) % 2 == 1
        if not (moments or given or odd):
            return total_charge(atoms, self.charge), 1
        return charge_and_multiplicity(atoms, charge=self.charge, multiplicity=self.multiplicity)

    def input_text(self, atoms: Atoms, project: str) -> str:
        """Return the input file for one structure.

        Parameters
        ----------
        atoms : a structure with three cell vectors
        project : start of the names of the files that CP2K writes
        """
        if atoms.cell.rank < 3:
            raise ValueError(
                "structures for CP2K must have three cell vectors, received "
                f"{atoms.get_chemical_formula()} with cell {atoms.cell.lengths()}; add vacuum, "
                "e.g. atoms.center(vacuum=5.0)"
            )
        root = parse_input(self.template)
        set_default(root, "GLOBAL", f"PROJECT {project}")
        set_default(root, "GLOBAL", "PRINT_LEVEL LOW")
        set_default(root, "FORCE_EVAL", "METHOD Quickstep")
        if atoms.pbc.any():
            set_default(root, "FORCE_EVAL", "STRESS_TENSOR ANALYTICAL")
        self._add_method(root, atoms)
        self._add_structure(root, atoms)
        return "\n".join([*root.write(), ""])

    def _add_method(self, root: InputSection, atoms: Atoms) -> None:
        dft = "FORCE_EVAL/DFT"
        charge, multiplicity = self.state_of(atoms)
        if self.basis_set is not None:
            set_default(root, dft, f"BASIS_SET_FILE_NAME {_located(self.basis_file)}")
        if self.potential is not None:
            set_default(root, dft, f"POTENTIAL_FILE_NAME {_located(self.potential_file)}")
        if self.cutoff_ry is not None:
            set_default(root, f"{dft}/MGRID", f"CUTOFF [Ry] {self.cutoff_ry:.10g}")
        set_default(root, f"{dft}/SCF", f"MAX_SCF {self.max_iterations}")
        if charge:
            set_default(root, dft, f"CHARGE {charge}")
        if multiplicity > 1:
            set_default(root, dft, f"MULTIPLICITY {multiplicity}")
            set_default(root, dft, "UKS .TRUE.")
        if self.xc is not None:
            functional = root.get_subsection(f"{dft}/XC/XC_FUNCTIONAL")
            functional.params = functional.params or self.xc
        if not atoms.pbc.any():
            set_default(root, f"{dft}/POISSON", "PERIODIC NONE")
            set_default(root, f"{dft}/POISSON", "PSOLVER MT")
        grid = kpoints(atoms, spacing_per_angstrom=self.kspacing_per_angstrom, grid=self.kgrid)
        if grid != (1, 1, 1):
            section = root.get_subsection(f"{dft}/KPOINTS")
            section.keywords += ["SCHEME GENERAL", "UNITS B_VECTOR", "SYMMETRY .FALSE."]
            for point, weight in zip(*gamma_grid(grid), strict=True):
                numbers = " ".join(f"{value:.14f}" for value in (*point, weight))
                section.keywords.append(f"KPOINT {numbers}")

    def _add_structure(self, root: InputSection, atoms: Atoms) -> None:
        cell = root.get_subsection("FORCE_EVAL/SUBSYS/CELL")
        axes = "".join(axis for axis, on in zip("XYZ", atoms.pbc, strict=True) if on)
        cell.keywords.append(f"PERIODIC {axes or 'NONE'}")
        for name, vector in zip("ABC", atoms.cell.array, strict=True):
            cell.keywords.append(f"{name} {_numbers(vector)}")
        symbols = atoms.get_chemical_symbols()
        coordinates = root.get_subsection("FORCE_EVAL/SUBSYS/COORD")
        for symbol, position in zip(symbols, atoms.positions, strict=True):
            coordinates.keywords.append(f"{symbol} {_numbers(position)}")
        subsystem = root.get_subsection("FORCE_EVAL/SUBSYS")
        kinds = {part.params: part for part in subsystem.subsections if part.name == "KIND"}
        for symbol in dict.fromkeys(symbols):
            kind = kinds.get(symbol)
            if kind is None:
                kind = InputSection("KIND", symbol)
                subsystem.subsections.append(kind)
            for keyword, value in (("BASIS_SET", self.basis_set), ("POTENTIAL", self.potential)):
                if value is not None:
                    _set_default_here(kind, f"{keyword} {value}")


def set_default(root: InputSection, path: str, line: str) -> None:
    """Add a keyword to a section unless it is there."""
    _set_default_here(root.get_subsection(path), line)


def _set_default_here(section: InputSection, line: str) -> None:
    name = line.split()[0].upper()
    if name not in {keyword.split()[0].upper() for keyword in section.keywords}:
        section.keywords.append(line)


def _located(path: Path) -> Path:
    """Return the absolute path of a file, or the name of one of CP2K's own."""
    return path.resolve() if path.exists() else path


def _numbers(vector: np.ndarray) -> str:
    return " ".join(f"{value:.16e}" for value in vector)
