"""Specs of calculators: frozen settings that make a fresh ASE calculator on demand."""

import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, CalculationFailed, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones as AseLennardJones

from nodes.extras import require
from nodes.reference.failures import CodeCrashedError, NotConvergedError

__all__ = ["AseCalculator", "Emt", "LennardJones", "Xtb"]

_NOT_SETTINGS = ("command", "directory", "label", "profile", "txt")


@dataclass(frozen=True)
class Emt:
    """Effective medium theory of ASE for Al, Cu, Ag, Au, Ni, Pd, Pt; cheap, for tests and demos."""

    reads: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ("ase",)

    def get_calculator(self, directory: Path | None = None) -> BaseCalculator:
        """Return the calculator; `directory` is not used."""
        return EMT()


@dataclass(frozen=True)
class LennardJones:
    """One Lennard-Jones potential for all pairs, 4 eps [(s/r)^12 - (s/r)^6], shifted at the cutoff.

    Parameters
    ----------
    epsilon_ev : depth of the well
    sigma_angstrom : distance at which the energy is 0
    cutoff_angstrom : pairs farther apart do not interact; None takes three sigma
    """

    reads: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ("ase",)

    epsilon_ev: float = 0.0103
    sigma_angstrom: float = 3.4
    cutoff_angstrom: float | None = None

    def __post_init__(self) -> None:
        if self.sigma_angstrom <= 0 or (self.cutoff_angstrom or 1.0) <= 0:
            raise ValueError(
                "sigma_angstrom and cutoff_angstrom must be positive, "
                f"received {self.sigma_angstrom} and {self.cutoff_angstrom}"
            )

    def get_calculator(self, directory: Path | None = None) -> BaseCalculator:
        """Return the calculator; `directory` is not used."""
        cutoff = self.cutoff_angstrom or 3.0 * self.sigma_angstrom
        return AseLennardJones(epsilon=self.epsilon_ev, sigma=self.sigma_angstrom, rc=cutoff)


@dataclass(frozen=True)
class Xtb:
    """Extended tight binding by tblite: C. Bannwarth et al., *WIREs* **11**, e1493 (2021).

    A structure whose charges do not converge fails with a
    :class:`~nodes.reference.failures.NotConvergedError`.

    Parameters
    ----------
    method : ``"GFN1-xTB"``, ``"GFN2-xTB"`` or ``"IPEA1-xTB"``
    charge : total charge in e; None takes the sum of the atoms' initial charges
    multiplicity : 2S + 1; None takes the atoms' initial magnetic moments
    electronic_temperature_k : smearing of the occupations
    accuracy : numerical accuracy, smaller is stricter
    max_iterations : limit on the self-consistent iterations
    """

    reads: ClassVar[tuple[str, ...]] = ("initial_magmoms", "initial_charges")
    packages: ClassVar[tuple[str, ...]] = ("tblite",)

    method: str = "GFN1-xTB"
    charge: float | None = None
    multiplicity: int | None = None
    electronic_temperature_k: float = 300.0
    accuracy: float = 1.0
    max_iterations: int = 250

    def get_calculator(self, directory: Path | None = None) -> BaseCalculator:
        """Return the calculator; `directory` is not used."""
        tblite = require("tblite.ase", extra="chem")
        return _typed_tblite(tblite.TBLite)(
            method=self.method,
            charge=self.charge,
            multiplicity=self.multiplicity,
            electronic_temperature=self.electronic_temperature_k,
            accuracy=self.accuracy,
            max_iterations=self.max_iterations,
            verbosity=0,
        )


@functools.cache
def _typed_tblite(base: Any) -> Any:
    """Return a class of calculators that raise the errors of this library."""

    class TypedTBLite(base):  # the base is known once tblite is imported
        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: Sequence[str] | None = None,
            system_changes: Sequence[str] = all_changes,
        ) -> None:
            try:
                super().calculate(atoms, properties, system_changes)
            except CalculationFailed as error:
                reason = " ".join(str(error).split())
                if "converge" in reason:
                    raise NotConvergedError(
                        f'the charges of tblite must converge, received "{reason}"; raise '
                        "electronic_temperature_k or max_iterations"
                    ) from error
                raise CodeCrashedError(f'tblite must give a result, received "{reason}"') from error

    return TypedTBLite


@dataclass(frozen=True)
class AseCalculator:
    """Any ASE calculator, by its import path.

    Parameters
    ----------
    target : ``"module:name"`` of a class or a function, e.g. ``"ase.calculators.emt:EMT"``
    arguments : keyword arguments for it, plain values in ASE's units
    needs_directory : pass ``directory=`` as well, for calculators that write files
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs_directory: bool = False

    def __cache_key__(self) -> dict[str, Any]:
        """Return what counts of it: target, with its code or version, and what it computes."""
        try:
            target = self._target()
        except ValueError:  # it is on other machines only
            target = None
        return {
            "target": target if isinstance(target, type) else self.target,
            "arguments": {k: v for k, v in self.arguments.items() if k not in _NOT_SETTINGS},
        }

    def get_calculator(self, directory: Path | None = None) -> BaseCalculator:
        """Return the calculator; its files, if any, go to `directory`."""
        extra = {"directory": directory or Path.cwd()} if self.needs_directory else {}
        return self._target()(**self.arguments, **extra)

    def _target(self) -> Any:
        """Import what `target` names."""
        module, _, name = self.target.partition(":")
        if not module or not name:
            raise ValueError(f'target must be "module:name", received {self.target!r}')
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"target must name an importable calculator, received {self.target!r} "
                f"({error}); install the package that provides it or correct the path"
            ) from error
