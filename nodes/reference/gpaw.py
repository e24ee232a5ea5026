"""GPAW: J. J. Mortensen et al., *J. Chem. Phys.* **160**, 092503 (2024)."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from ase import Atoms
from ase.calculators.calculator import all_changes

from nodes.reference.electrons import total_charge
from nodes.reference.failures import CodeError, CodeMissingError, NotConvergedError
from nodes.reference.kpoints import check_kpoints, kpoints
from nodes.reference.rundir import FileCode

__all__ = ["Gpaw"]


@dataclass(frozen=True)
class Gpaw(FileCode):
    """Density functional theory in this process, with plane waves or atomic orbitals.

    Forces and stress are slopes of ``free_energy``; ``energy`` is extrapolated to no smearing.
    Every structure starts from atomic densities, so that its result does not depend on the one
    before it. The number of threads is that of the process: small cells want
    ``OMP_NUM_THREADS=1`` in its environment.

    Parameters
    ----------
    mode : ``"pw"`` (plane waves) or ``"lcao"`` (orbitals of the atoms)
    xc : exchange and correlation
    cutoff_ev : of the plane waves; for ``"pw"`` only
    basis : orbitals; for ``"lcao"`` only
    grid_spacing_angstrom : of the real-space grid; None takes GPAW's
    kspacing_per_angstrom : largest distance of k-points, with the factor 2 pi
    kgrid : numbers of k-points instead; the grid always holds Gamma, and there is one point along
        axes that are not periodic
    smearing_ev : width of a Fermi-Dirac distribution; None takes GPAW's
    max_iterations : limit on the self-consistent iterations
    charge : total charge in e; None takes that of the structure
    settings : further keywords of GPAW
    keep, scratch : see :class:`~nodes.reference.rundir.FileCode`
    """

    __cache_version__: ClassVar[str] = "1"
    code: ClassVar[str] = "gpaw"
    properties: ClassVar[tuple[str, ...]] = ("energy", "free_energy", "forces", "stress", "dipole")
    outputs: ClassVar[tuple[str, ...]] = ("gpaw.txt",)
    reads: ClassVar[tuple[str, ...]] = ("initial_magmoms", "initial_charges", "info.charge")
    packages: ClassVar[tuple[str, ...]] = ("ase", "gpaw", "gpaw-data")

    mode: Literal["pw", "lcao"] = "pw"
    xc: str = "PBE"
    cutoff_ev: float = 400.0
    basis: str = "dzp"
    grid_spacing_angstrom: float | None = None
    kspacing_per_angstrom: float | None = None
    kgrid: tuple[int, int, int] | None = None
    smearing_ev: float | None = None
    max_iterations: int = 333
    charge: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kpoints(self.kspacing_per_angstrom, self.kgrid)
        if self.mode not in ("pw", "lcao"):
            raise ValueError(f'mode must be "pw" or "lcao", received {self.mode!r}')

    @property
    def implemented(self) -> tuple[str, ...]:
        """Names of the results that these settings give: orbitals have no stress."""
        return tuple(name for name in self.properties if name != "stress" or self.mode == "pw")

    def keywords(self, atoms: Atoms) -> dict[str, Any]:
        """Return the keywords of GPAW for one structure."""
        grid = kpoints(atoms, spacing_per_angstrom=self.kspacing_per_angstrom, grid=self.kgrid)
        keywords: dict[str, Any] = {
            "mode": {"name": "pw", "ecut": self.cutoff_ev} if self.mode == "pw" else self.mode,
            "xc": self.xc,
            "kpts": {"size": grid, "gamma": True},
            "maxiter": self.max_iterations,
            "charge": total_charge(atoms, self.charge),
        }
        if self.mode == "lcao":
            keywords["basis"] = self.basis
        if self.grid_spacing_angstrom is not None:
            keywords["h"] = self.grid_spacing_angstrom
        if self.smearing_ev is not None:
            keywords["occupations"] = {"name": "fermi-dirac", "width": self.smearing_ev}
        return keywords | dict(self.settings)

    def compute(self, atoms: Atoms, properties: Sequence[str], folder: Path) -> dict[str, Any]:
        """Compute one structure; see :class:`~nodes.reference.rundir.FileCode`."""
        gpaw = _gpaw()
        calculator = gpaw.GPAW(txt=str(folder / "gpaw.txt"), **self.keywords(atoms))
        wanted = list(dict.fromkeys(["energy", *properties]))
        try:
            calculator.calculate(atoms, wanted, list(all_changes))
        except gpaw.KohnShamConvergenceError as error:
            raise NotConvergedError(
                f"the SCF cycle of GPAW must converge within {self.max_iterations} iterations, "
                f"received {str(error).splitlines()[0] if str(error) else 'no convergence'}; "
                "raise max_iterations, or smearing_ev"
            ) from error
        found = calculator.results
        missing = [name for name in wanted if found.get(name) is None]
        if missing:
            raise CodeError(f"GPAW must give {', '.join(missing)}, received none; see gpaw.txt")
        return {name: found[name] for name in ("free_energy", *wanted) if name in found}


def _gpaw() -> Any:
    """Import GPAW, which is compiled on the machine: no extra of this package installs it."""
    try:
        return importlib.import_module("gpaw")
    except ModuleNotFoundError as error:
        raise CodeMissingError(
            "gpaw must be installed in this environment, received no module of that name; "
            "docs/calculators.md says how to build it"
        ) from error
