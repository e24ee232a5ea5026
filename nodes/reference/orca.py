"""ORCA: F. Neese, *WIREs Comput. Mol. Sci.* **12**, e1606 (2022)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.units import Bohr, Hartree

from nodes.reference.electrons import charge_and_multiplicity
from nodes.reference.failures import CodeCrashedError, CodeError, NotConvergedError, crash
from nodes.reference.program import ProgramCode

__all__ = ["Orca", "orca_input", "orca_results"]

_NUMBER = r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?"
_VECTOR = rf"({_NUMBER})[ ,]+({_NUMBER})[ ,]+({_NUMBER})"


@dataclass(frozen=True)
class Orca(ProgramCode):
    """Energies, forces and dipoles of molecules from ORCA 4 to 6.

    Parameters
    ----------
    method : the line of keywords, e.g. ``"PBE D4 def2-TZVP TightSCF"``; without ``EnGrad``, which
        is written when forces are asked for
    blocks : input blocks by name, e.g. ``{"scf": "MaxIter 300", "maxcore": 3000}``
    charge : total charge in e; None takes that of the structure
    multiplicity : 2S + 1; None takes that of the structure, see
        :func:`~nodes.reference.electrons.charge_and_multiplicity`
    cores : processes that ORCA starts by itself; `command` must then be its full path
    command, version, environment, time_limit_s, keep, scratch : see
        :class:`~nodes.reference.program.ProgramCode`
    """

    __cache_version__: ClassVar[str] = "1"
    code: ClassVar[str] = "orca"
    properties: ClassVar[tuple[str, ...]] = ("energy", "forces", "dipole")
    outputs: ClassVar[tuple[str, ...]] = ("orca.inp", "orca.out", "orca.engrad")
    version_pattern: ClassVar[str] = r"Program Version (\S+)"
    reads: ClassVar[tuple[str, ...]] = (
        "initial_magmoms",
        "initial_charges",
        "info.charge",
        "info.multiplicity",
    )

    method: str
    blocks: Mapping[str, str | int | float] = field(default_factory=dict)
    charge: int | None = None
    multiplicity: int | None = None
    cores: int = field(default=1, metadata={"key": False})
    command: str = field(default="orca", metadata={"key": False}, kw_only=True)

    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Run one molecule; see :class:`~nodes.reference.rundir.FileCode`."""
        if atoms.pbc.any():
            raise ValueError(
                f"structures for ORCA must not be periodic, received pbc {atoms.pbc} for "
                f"{atoms.get_chemical_formula()}; set pbc to False"
            )
        charge, multiplicity = charge_and_multiplicity(
            atoms, charge=self.charge, multiplicity=self.multiplicity
        )
        text = orca_input(
            atoms,
            keywords=f"{self.method} EnGrad" if "forces" in properties else self.method,
            blocks={**self.blocks, **({"pal": f"nprocs {self.cores}"} if self.cores > 1 else {})},
            charge=charge,
            multiplicity=multiplicity,
        )
        (folder / "orca.inp").write_text(text)
        exit_code = self.run(folder, output="orca.out", arguments=["orca.inp"])
        output = (folder / "orca.out").read_text(errors="replace")
        self.check_version(output)
        _check_end(output, exit_code)
        gradient = folder / "orca.engrad"
        found = orca_results(
            output, gradient.read_text() if gradient.is_file() else "", charge=charge
        )
        missing = [name for name in properties if name not in found]
        if missing:
            raise CodeError(
                f"the output of ORCA must hold {', '.join(missing)}, received none; see orca.out"
            )
        return found


def orca_input(
    atoms: Atoms,
    *,
    keywords: str,
    blocks: Mapping[str, str | int | float],
    charge: int,
    multiplicity: int,
) -> str:
    """Return an input file; a block is written as ``%name ... end``, a number as ``%name n``."""
    lines = [f"! {keywords}"]
    for name, content in blocks.items():
        simple = not isinstance(content, str)
        lines.append(f"%{name} {content}" if simple else f"%{name}\n  {content}\nend")
    lines.append(f"* xyz {charge} {multiplicity}")
    for number, position in zip(atoms.numbers, atoms.positions, strict=True):
        x, y, z = position
        lines.append(f"  {chemical_symbols[number]:2s} {x:20.12f} {y:20.12f} {z:20.12f}")
    return "\n".join([*lines, "*", ""])


def orca_results(output: str, gradient: str, *, charge: int) -> dict[str, Any]:
    """Read energy (eV), forces (eV/Angstrom) and dipole (e Angstrom) as far as they are there.

    Parameters
    ----------
    output : what ORCA printed
    gradient : its file ``.engrad``, which has more digits; may be empty
    charge : total charge; the dipole of an ion, which ORCA takes from the centre of mass, is
        referred to the origin
    """
    results: dict[str, Any] = {}
    energies = re.findall(rf"FINAL SINGLE POINT ENERGY\s+({_NUMBER})", output)
    if energies:
        results["energy"] = float(energies[-1]) * Hartree
    slopes = _engrad(gradient) if gradient else _printed_gradient(output)
    if slopes is not None:
        results["forces"] = -slopes * Hartree / Bohr
    dipoles = re.findall(rf"Total Dipole Moment\s*:\s*{_VECTOR}", output)
    if dipoles:
        dipole = np.array(dipoles[-1], float)
        origin = re.findall(rf"CENTER OF MASS\s*=\s*\(\s*{_VECTOR}", output)
        if charge and origin:
            dipole = dipole + charge * np.array(origin[-1], float)
        results["dipole"] = dipole * Bohr
    return results


def _check_end(output: str, exit_code: int) -> None:
    """Raise the fitting CodeError if ORCA did not come to a converged end."""
    failed = ("SCF NOT CONVERGED", "not fully converged", "This wavefunction IS NOT CONVERGED")
    reason = next((text for text in failed if text in output), None)
    if reason is not None:
        raise NotConvergedError(
            f'the SCF cycle of ORCA must converge, received "{reason}"; give more iterations '
            '(blocks={"scf": "MaxIter 500"}), another algorithm or a better start'
        )
    if exit_code:
        raise crash("ORCA", exit_code, output[-20_000:])
    if "ORCA TERMINATED NORMALLY" not in output:
        raise CodeCrashedError(
            f"ORCA must terminate normally, received the end\n{output[-500:]}", exit_code=exit_code
        )


def _engrad(text: str) -> np.ndarray | None:
    """Return the gradient of an ``.engrad`` file, shape (n_atoms, 3), Hartree/bohr."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip().startswith("#"):
            blocks.append([])
        elif line.strip():
            blocks[-1].append(line)
    content = [block for block in blocks if block]
    if len(content) < 3:
        return None
    count = int(content[0][0])
    values = np.array([line.split()[-1] for line in content[2]], float)
    return values.reshape(count, 3)


def _printed_gradient(output: str) -> np.ndarray | None:
    """Return the last gradient in the output, shape (n_atoms, 3), Hartree/bohr."""
    parts = output.split("CARTESIAN GRADIENT")
    if len(parts) == 1:
        return None
    rows = re.findall(rf"^\s*\d+\s+\w+\s*:\s*{_VECTOR}", parts[-1].split("Difference")[0], re.M)
    return np.array(rows, float) if rows else None
