"""A calculator as a function of one structure."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes, all_properties

from zn_pipeline.serialize.frames.snapshot import new_calculator

_KNOWN = frozenset(all_properties)

DEFAULT_PROPERTIES = ("energy", "forces", "stress")


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Label one structure: called with it, returns a labelled copy.

    Parameters
    ----------
    calculator : a spec with ``get_calculator(directory=None)``, an ASE calculator, or
        ``(Class, keyword arguments)``
    properties : ASE names of the results to keep; those unknown to ASE go to the arrays of the
        structure (one entry per atom) or to its info. None takes energy (eV), forces (eV/Angstrom)
        and stress (eV/Angstrom^3, order of Voigt), as far as the calculator has them. Structures
        that are periodic along no axis get no stress.
    directory : where a calculator that writes files may write them; never part of the key

    Raises
    ------
    ValueError
        If a property is unknown to the calculator, or a result is not finite.
    """

    reads: ClassVar[tuple[str, ...]] = (
        "initial_magmoms",
        "initial_charges",
        "info.charge",
        "info.spin",
        "info.multiplicity",
    )

    __cache_version__: ClassVar[int] = 1
    """Stands for the code of this class in keys; raised when its results change."""

    calculator: Any
    properties: tuple[str, ...] | None = None
    directory: Path | None = dataclasses.field(default=None, metadata={"key": False})

    @functools.cached_property
    def made(self) -> Any:
        """The ASE calculator, made on first use and then used for all structures."""
        given = self.calculator
        if hasattr(given, "get_calculator"):
            if self.directory is None:
                return given.get_calculator()
            return given.get_calculator(directory=self.directory)
        if isinstance(given, tuple):
            return given[0](**dict(given[1]))
        return given

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the properties to compute; stress is left to those that are periodic."""
        known = list(self.made.implemented_properties)
        if self.properties is None:
            return tuple(name for name in DEFAULT_PROPERTIES if name in known)
        unknown = [name for name in self.properties if name not in known]
        if unknown or not self.properties:
            raise ValueError(
                f"properties must be among {', '.join(known)} for this calculator, "
                f"received {list(self.properties)}"
            )
        return tuple(self.properties)

    def check(self) -> None:
        """Raise ValueError if a property is unknown to the calculator."""
        _ = self.names

    def __getstate__(self) -> dict[str, Any]:
        """Leave the calculator itself behind: another process makes its own."""
        names = {field.name for field in dataclasses.fields(self)}
        return {name: value for name, value in vars(self).items() if name in names}

    def __call__(self, atoms: Atoms) -> Atoms:
        """Return a copy of `atoms` with the results."""
        labelled = atoms.copy()
        attach_results(labelled, self.results(labelled))
        return labelled

    def label(self, atoms: Atoms) -> Atoms:
        """Return `atoms` themselves with the results, for whoever stores them at once.

        The calculator does not keep a structure of its own to tell whether `atoms` were moved.
        """
        attach_results(atoms, self.results(atoms), copy=False)
        return atoms

    def results(self, atoms: Atoms) -> dict[str, Any]:
        """Return the results by name.

        Raises
        ------
        ValueError
            If a property is unknown to the calculator, or a result is not finite.
        """
        names = self.names
        if not atoms.pbc.any():
            names = tuple(name for name in names if name != "stress")
        results = _results(self.made, atoms, names)
        for name, value in results.items():
            if value is None or not np.isfinite(value).all():
                raise ValueError(
                    f"{name} must be finite, received {'no value' if value is None else 'NaN'}"
                )
        return results


def _results(calculator: Any, atoms: Atoms, names: tuple[str, ...]) -> dict[str, Any]:
    """Compute without regard to what the calculator has computed before."""
    reset = getattr(calculator, "reset", None)
    if reset is not None:
        reset()
    calculate = getattr(calculator, "calculate", None)
    if calculate is None:
        return {name: calculator.get_property(name, atoms) for name in names}
    calculate(atoms, list(names), all_changes)
    found: Mapping[str, Any] = calculator.results
    return {
        name: found[name] if name in found else calculator.get_property(name, atoms)
        for name in names
    }


def attach_results(atoms: Atoms, results: Mapping[str, Any], *, copy: bool = True) -> None:
    """Attach results to the structure that they were computed for.

    Results with a name of ASE go to a SinglePointCalculator, others with one entry per atom to
    ``atoms.arrays``, the rest to ``atoms.info``.
    """
    known: dict[str, Any] = {}
    for name, value in results.items():
        if name in _KNOWN:
            known[name] = value
            continue
        array = np.asarray(value)
        if array.ndim and len(array) == len(atoms):
            atoms.set_array(name, array)
        else:
            atoms.info[name] = array.item() if array.ndim == 0 else array
    atoms.calc = new_calculator(atoms.copy() if copy else atoms, known)
