"""Run a calculator on structures and keep its results beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, all_properties
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.interfaces import HasCalculator

__all__ = ["Labeller", "LabellingError", "attach_results", "raise_first_failure"]


class LabellingError(zn.PipelineError):
    """A structure could not be labelled; the message names its row and the reason."""


@dataclass(frozen=True)
class Labeller:
    """Label one structure: call it to get a labelled copy, or the reason why there is none.

    Parameters
    ----------
    spec : gives the calculator, which is made once, on first use
    properties : names of the results to keep; those unknown to ASE go to the arrays of the
        structure (one entry per atom) or to its info
    directory : where the calculator may write files
    """

    spec: HasCalculator
    properties: tuple[str, ...]
    directory: Path | None = None

    @cached_property
    def calculator(self) -> BaseCalculator:
        """The calculator."""
        return self.spec.get_calculator(directory=self.directory)

    def check(self) -> None:
        """Raise ValueError if a property is unknown to the calculator."""
        known = list(self.calculator.implemented_properties)
        unknown = [name for name in self.properties if name not in known]
        if unknown or not self.properties:
            raise ValueError(
                f"properties must be among {', '.join(known)} for this calculator, "
                f"received {list(self.properties)}"
            )

    def __call__(self, structure: Atoms) -> Atoms | str:
        """Return a labelled copy of `structure`, or the reason of the failure."""
        labelled = structure.copy()
        try:
            # Without a reset the result may depend on the structure before this one.
            reset = getattr(self.calculator, "reset", None)
            if reset is not None:
                reset()
            results = {
                name: self.calculator.get_property(name, labelled) for name in self.properties
            }
        except Exception as error:  # noqa: BLE001 - any failure of a foreign code is a finding
            return f"{type(error).__name__}: {error}"
        for name, value in results.items():
            if value is None or not np.all(np.isfinite(value)):
                return f"{name} must be finite, received {'no value' if value is None else 'NaN'}"
        attach_results(labelled, results)
        return labelled


def raise_first_failure(structures: Sequence[Atoms], outcomes: Sequence[Atoms | str]) -> None:
    """Raise LabellingError for the first structure that has no label, if there is one."""
    for row, (structure, outcome) in enumerate(zip(structures, outcomes, strict=True)):
        if isinstance(outcome, str):
            raise LabellingError(
                f"structure {row} of {len(structures)} ({structure.get_chemical_formula()}) must "
                f"be labelled, received {outcome}; correct the structure or the calculator, or "
                'let LabelFrames leave such structures out by on_error="record"'
            )


def attach_results(atoms: Atoms, results: Mapping[str, Any]) -> None:
    """Attach results to the structure that they were computed for.

    Results with a name of ASE go to a SinglePointCalculator, others with one entry per atom to
    ``atoms.arrays``, the rest to ``atoms.info``.
    """
    known = {name: value for name, value in results.items() if name in all_properties}
    for name in results.keys() - known.keys():
        value = np.asarray(results[name])
        if value.ndim and len(value) == len(atoms):
            atoms.set_array(name, value)
        else:
            atoms.info[name] = value.item() if value.ndim == 0 else value
    atoms.calc = SinglePointCalculator(atoms, **known)
