"""When to stop a trajectory: specs that look at each moment of it.

A check is frozen and has no state of its own. What it must remember of a trajectory is a plain
dict that `fresh` makes, one for each trajectory, and that is saved with its checkpoints.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

__all__ = [
    "Check",
    "EnergyDrop",
    "EnergyJump",
    "MaxForce",
    "MaxTemperature",
    "MaxUncertainty",
    "MinDistance",
    "Moment",
    "NotFinite",
]

Memory = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """A trajectory at one step.

    Attributes
    ----------
    atoms : with its calculator; to be read only
    step : number of the step
    temperature_k : instantaneous temperature
    energy_ev : potential energy
    forces : shape (n_atoms, 3), eV/Angstrom
    """

    atoms: Atoms
    step: int
    temperature_k: float
    energy_ev: float
    forces: np.ndarray


@runtime_checkable
class Check(Protocol):
    """Decides whether a trajectory goes on."""

    def fresh(self) -> Memory:
        """Return what to remember at the start of a trajectory."""
        ...

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, None to go on; may change `memory`."""
        ...


class _Forgetful:
    """A check that needs no memory."""

    def fresh(self) -> Memory:
        """Return an empty memory."""
        return {}


@dataclass(frozen=True)
class NotFinite(_Forgetful):
    """Stop when positions, momenta, energy or forces become NaN or infinite."""

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        values = (moment.atoms.positions, moment.atoms.get_momenta(), moment.forces)
        if np.isfinite(moment.energy_ev) and all(np.isfinite(value).all() for value in values):
            return None
        return "positions, momenta, energy or forces are not finite"


@dataclass(frozen=True)
class MaxTemperature(_Forgetful):
    """Stop when the instantaneous temperature exceeds a limit."""

    temperature_k: float

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        if moment.temperature_k <= self.temperature_k:
            return None
        return f"temperature of {moment.temperature_k:.6g} K exceeds {self.temperature_k:.6g} K"


@dataclass(frozen=True)
class MaxForce(_Forgetful):
    """Stop when the force on some atom exceeds a limit."""

    force_ev_per_angstrom: float

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        largest = float(np.linalg.norm(moment.forces, axis=1).max(initial=0.0))
        if largest <= self.force_ev_per_angstrom:
            return None
        limit = self.force_ev_per_angstrom
        return f"force of {largest:.6g} eV/Angstrom exceeds {limit:.6g} eV/Angstrom"


@dataclass(frozen=True)
class MinDistance(_Forgetful):
    """Stop when two atoms, periodic images included, come closer than a limit."""

    distance_angstrom: float

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        if not np.isfinite(moment.atoms.positions).all():
            return None
        distances = neighbor_list("d", moment.atoms, self.distance_angstrom)
        if not len(distances):
            return None
        limit = self.distance_angstrom
        return f"distance of {distances.min():.6g} Angstrom is below {limit:.6g} Angstrom"


@dataclass(frozen=True)
class EnergyDrop:
    """Stop when the potential energy falls below that of the start by more than a limit."""

    drop_ev_per_atom: float

    def fresh(self) -> Memory:
        """Return an empty memory: the first energy is that of the trajectory's own start."""
        return {}

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        drop = memory.setdefault("energy_ev", moment.energy_ev) - moment.energy_ev
        drop /= len(moment.atoms)
        if drop <= self.drop_ev_per_atom:
            return None
        return (
            f"energy is {drop:.6g} eV/atom below the start, more than {self.drop_ev_per_atom:.6g}"
        )


@dataclass(frozen=True)
class EnergyJump:
    """Stop when the potential energy changes from one check to the next by more than a limit."""

    jump_ev_per_atom: float

    def fresh(self) -> Memory:
        """Return an empty memory: the first energy has none before it."""
        return {}

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        jump = abs(moment.energy_ev - memory.get("energy_ev", moment.energy_ev))
        memory["energy_ev"] = moment.energy_ev
        jump /= len(moment.atoms)
        if jump <= self.jump_ev_per_atom:
            return None
        return f"energy jumped by {jump:.6g} eV/atom, more than {self.jump_ev_per_atom:.6g}"


@dataclass(frozen=True)
class MaxUncertainty(_Forgetful):
    """Stop when the calculator is unsure.

    Parameters
    ----------
    limit : the largest value allowed, in the unit of the result
    result : name of the calculator's result, e.g. ``"energy_std"`` (eV) or ``"forces_std"``
        (eV/Angstrom, by component) of a trained model; of an array the largest entry counts
    per_atom : divide by the number of atoms
    """

    limit: float
    result: str = "forces_std"
    per_atom: bool = False

    def reason(self, moment: Moment, memory: Memory) -> str | None:
        """Return why to stop, if so."""
        calculator: Any = moment.atoms.calc
        value = float(np.max(np.abs(calculator.get_property(self.result, moment.atoms))))
        value /= len(moment.atoms) if self.per_atom else 1
        if value <= self.limit:
            return None
        return f"{self.result} of {value:.6g} exceeds {self.limit:.6g}"
