"""Several calculators at once: their mean and their spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes

from nodes.interfaces import HasCalculator

__all__ = ["Committee", "CommitteeCalculator"]

_AVERAGED = ("energy", "free_energy", "forces", "stress")


@dataclass(frozen=True)
class Committee:
    """The mean of several calculators, and how far they disagree.

    Results are the means of energy, free_energy, forces and stress, as far as all members have
    them, and further

    - ``energy_std`` (eV) and ``forces_std`` (eV/Angstrom, n_atoms x 3): standard deviations over
      the members, with n - 1 in the denominator,
    - ``energy_members`` (eV, n_members) and ``forces_members`` (eV/Angstrom, n_atoms x n_members
      x 3): results of each.

    Parameters
    ----------
    members : two or more calculator specs, or nodes with a trained model
    """

    members: Sequence[HasCalculator]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"members must be two or more, received {len(self.members)}")

    def get_calculator(self, directory: Path | None = None) -> Calculator:
        """Return the calculator; each member gets a folder of its own in `directory`."""
        return CommitteeCalculator(
            [
                member.get_calculator(None if directory is None else directory / str(number))
                for number, member in enumerate(self.members)
            ]
        )


class CommitteeCalculator(Calculator):
    """Runs its members one after the other.

    Parameters
    ----------
    members : ASE calculators
    """

    def __init__(self, members: Sequence[BaseCalculator]) -> None:
        super().__init__()
        self.members = list(members)
        known = [set(member.implemented_properties) for member in self.members]
        self.shared = [name for name in _AVERAGED if all(name in names for names in known)]
        extra = [
            f"{name}_{kind}"
            for name in ("energy", "forces")
            if name in self.shared
            for kind in ("std", "members")
        ]
        self.implemented_properties = [*self.shared, *extra]

    def reset(self) -> None:
        """Forget all results."""
        super().reset()
        for member in self.members:
            reset = getattr(member, "reset", None)
            if reset is not None:
                reset()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute what is asked for, by all members."""
        super().calculate(atoms, properties, system_changes)
        asked = {name.removesuffix("_std").removesuffix("_members") for name in properties}
        names = [name for name in self.shared if name in asked]
        structure = cast("Atoms", self.atoms)
        found = [_results_of(member, structure, names) for member in self.members]
        results: dict[str, Any] = {}
        for name in names:
            values = np.stack([np.asarray(each[name], float) for each in found])
            results[name] = values.mean(axis=0) if values.ndim > 1 else float(values.mean())
            if name == "energy":
                results["energy_std"] = float(values.std(ddof=1))
                results["energy_members"] = values
            elif name == "forces":
                results["forces_std"] = values.std(axis=0, ddof=1)
                results["forces_members"] = values.swapaxes(0, 1)
        self.results = results


def _results_of(member: BaseCalculator, atoms: Atoms, names: Sequence[str]) -> dict[str, Any]:
    """Return the results of one member, all of them from one calculation."""
    calculate: Any = getattr(member, "calculate")  # noqa: B009 - ASE declares it on subclasses
    calculate(atoms.copy(), list(names), list(all_changes))
    return {name: member.results[name] for name in names}
