"""Results beside the structures that they belong to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator

__all__ = ["attach_results"]


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
