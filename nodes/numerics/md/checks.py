"""When to stop: specs that are evaluated on the device, inside the compiled loop.

A check looks at a `Moment` every ``check_every`` steps. It has no state of its own; what it must
remember is a dict of arrays that `start` makes, and that is saved with each checkpoint. The frame
that made it stop is kept, and so are some before it (``keep_before``). Values that are not finite
stop a run in any case, at the very step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np

from nodes.numerics.elements import covalent_radii_angstrom
from nodes.numerics.neighbors.cells import periodic_basis
from nodes.numerics.structures import Structure

__all__ = [
    "BondLength", "Check", "EnergyJump", "MaxEnergyStd", "MaxForceStd", "MaxTemperature",
    "MinDistance", "Moment", "Reflection",
]  # fmt: skip

Memory = dict[str, Any]


class Moment(NamedTuple):
    """A system at one step, on the device.

    Attributes
    ----------
    positions : (n, 3), Angstrom
    cell : (3, 3), Angstrom
    pbc : tuple of 3 bool
        Not an array.
    present : (n,) bool
        False for atoms that only fill up a batch.
    n_atoms : ()
    energy, energy_std : (), eV
        Mean over members, without reference energies, and its uncertainty.
    force_std_max : (), eV/Angstrom
        The largest uncertainty of an atom's force; zero if no check asks for it.
    temperature_k : ()
    distance_min : (), Angstrom
        Smallest distance of two atoms within the cutoff, else twice the cutoff; if asked for.
    """

    positions: Any
    cell: Any
    pbc: tuple[bool, ...]
    present: Any
    n_atoms: Any
    energy: Any
    energy_std: Any
    force_std_max: Any
    temperature_k: Any
    distance_min: Any


@runtime_checkable
class Check(Protocol):
    """Decides whether a run goes on.

    Attributes
    ----------
    kind : str
        What the stop is called.
    needs_members : bool
        Whether `Moment.energy_std` or `Moment.force_std_max` is looked at.
    needs_force_std, needs_distances : bool
        Whether `Moment.force_std_max`, `Moment.distance_min` must be evaluated.
    """

    kind: ClassVar[str]
    needs_members: ClassVar[bool]
    needs_force_std: ClassVar[bool]
    needs_distances: ClassVar[bool]

    def start(self, structure: Structure) -> Memory:
        """Arrays to remember from the start on; in a batch they are filled up to one shape."""
        ...

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """Value, whether it stops the run, and what to remember."""
        ...

    def text(self, value: float) -> str:
        """Say why it stopped."""
        ...


class _Plain:
    """A check that remembers nothing and needs nothing."""

    needs_members: ClassVar[bool] = False
    needs_force_std: ClassVar[bool] = False
    needs_distances: ClassVar[bool] = False

    def start(self, structure: Structure) -> Memory:
        """Nothing."""
        return {}


@dataclass(frozen=True)
class MaxForceStd(_Plain):
    """Stop when the uncertainty of some atom's force exceeds a limit.

    It is the square root of the summed variances of the three components over the ensemble.
    """

    limit_ev_per_angstrom: float

    kind: ClassVar[str] = "uncertain"
    needs_members: ClassVar[bool] = True
    needs_force_std: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("limit_ev_per_angstrom", self.limit_ev_per_angstrom)

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`."""
        return moment.force_std_max, moment.force_std_max > self.limit_ev_per_angstrom, memory

    def text(self, value: float) -> str:
        """See `Check`."""
        limit = self.limit_ev_per_angstrom
        return f"force uncertainty of {value:.6g} eV/Angstrom exceeds {limit:.6g} eV/Angstrom"


@dataclass(frozen=True)
class MaxEnergyStd(_Plain):
    """Stop when the uncertainty of the energy, by default per atom, exceeds a limit."""

    limit_ev: float
    per_atom: bool = True

    kind: ClassVar[str] = "uncertain"
    needs_members: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("limit_ev", self.limit_ev)

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`."""
        value = moment.energy_std / moment.n_atoms if self.per_atom else moment.energy_std
        return value, value > self.limit_ev, memory

    def text(self, value: float) -> str:
        """See `Check`."""
        unit = "eV/atom" if self.per_atom else "eV"
        return f"energy uncertainty of {value:.6g} {unit} exceeds {self.limit_ev:.6g} {unit}"


@dataclass(frozen=True)
class MaxTemperature(_Plain):
    """Stop when the instantaneous temperature exceeds a limit."""

    limit_k: float

    kind: ClassVar[str] = "too hot"

    def __post_init__(self) -> None:
        _check_positive("limit_k", self.limit_k)

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`."""
        return moment.temperature_k, moment.temperature_k > self.limit_k, memory

    def text(self, value: float) -> str:
        """See `Check`."""
        return f"temperature of {value:.6g} K exceeds {self.limit_k:.6g} K"


@dataclass(frozen=True)
class EnergyJump(_Plain):
    """Stop when the potential energy changes by more than a limit from one check to the next."""

    limit_ev_per_atom: float

    kind: ClassVar[str] = "energy jump"

    def __post_init__(self) -> None:
        _check_positive("limit_ev_per_atom", self.limit_ev_per_atom)

    def start(self, structure: Structure) -> Memory:
        """No energy yet."""
        return {"energy": np.array(np.nan)}

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`; before the second check the value is NaN, which exceeds nothing."""
        value = abs(moment.energy - memory["energy"]) / moment.n_atoms
        return value, value > self.limit_ev_per_atom, {"energy": moment.energy}

    def text(self, value: float) -> str:
        """See `Check`."""
        return f"energy jump of {value:.6g} eV/atom exceeds {self.limit_ev_per_atom:.6g} eV/atom"


@dataclass(frozen=True)
class MinDistance(_Plain):
    """Stop when two atoms, periodic images included, come closer than a limit."""

    limit_angstrom: float

    kind: ClassVar[str] = "too close"
    needs_distances: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("limit_angstrom", self.limit_angstrom)

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`."""
        return moment.distance_min, moment.distance_min < self.limit_angstrom, memory

    def text(self, value: float) -> str:
        """See `Check`."""
        return f"distance of {value:.6g} Angstrom is below {self.limit_angstrom:.6g} Angstrom"


@dataclass(frozen=True)
class BondLength(_Plain):
    """Stop when a bond is stretched, or compressed, by more than a factor.

    Parameters
    ----------
    max_stretch : float
        Largest ratio of a bond's length to its length at the start, and of the latter to the
        former.
    bonds : tuple of (i, j), optional
        Rows of bonded atoms. By default all pairs that are closer at the start than 1.2 times the
        sum of their covalent radii. A bond must be shorter than half the width of the cell.
    """

    max_stretch: float = 1.5
    bonds: tuple[tuple[int, int], ...] | None = None

    kind: ClassVar[str] = "bond"

    def __post_init__(self) -> None:
        if not self.max_stretch > 1.0:
            raise ValueError(f"max_stretch must exceed 1, received {self.max_stretch}")

    def start(self, structure: Structure) -> Memory:
        """Pairs (n_bonds, 2), which a batch fills up with -1, and their lengths."""
        pairs = _bonds(structure) if self.bonds is None else np.reshape(self.bonds, (-1, 2))
        if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(structure):
            raise ValueError(
                f"bonds must name rows of {len(structure)} atoms, received row {pairs.max()} or "
                f"{pairs.min()}"
            )
        lengths = np.linalg.norm(_pair_vectors(structure, *pairs.T), axis=-1)
        # One bond of an atom to itself, which never changes, so that there is always one.
        pairs = np.concatenate([pairs, [[-1, -1]]]).astype(np.int32)
        return {"pairs": pairs, "lengths": np.append(lengths, 1.0)}

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`."""
        pairs, lengths = memory["pairs"], memory["lengths"]
        vectors = moment.positions[pairs[:, 1]] - moment.positions[pairs[:, 0]]
        whole = jnp.round(vectors @ jnp.linalg.inv(moment.cell)) * jnp.asarray(moment.pbc)
        vectors -= whole @ moment.cell
        ratio = jnp.sqrt(jnp.sum(vectors**2, axis=-1)) / jnp.where(pairs[:, 0] < 0, 1.0, lengths)
        ratio = jnp.where(pairs[:, 0] < 0, 1.0, ratio)
        value = jnp.max(jnp.maximum(ratio, 1.0 / ratio))
        return value, value > self.max_stretch, memory

    def text(self, value: float) -> str:
        """See `Check`."""
        return (
            f"bond length has changed by a factor of {value:.6g}, more than {self.max_stretch:.6g}"
        )


@dataclass(frozen=True)
class Reflection(_Plain):
    """Stop when an atom that has been below a plane is above it: it was thrown back, or has left.

    Parameters
    ----------
    height_angstrom : float
        Cartesian coordinate of the plane.
    axis : {0, 1, 2}
        Which coordinate.
    """

    height_angstrom: float
    axis: int = 2

    kind: ClassVar[str] = "reflected"

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise ValueError(f"axis must be 0, 1 or 2, received {self.axis}")

    def start(self, structure: Structure) -> Memory:
        """Which atoms have been below."""
        return {"below": structure.positions[:, self.axis] < self.height_angstrom}

    def look(self, moment: Moment, memory: Memory) -> tuple[Any, Any, Memory]:
        """See `Check`; the value is the coordinate of the highest atom that came from below."""
        height = moment.positions[:, self.axis]
        seen = memory["below"] & moment.present
        value = jnp.max(jnp.where(seen, height, -jnp.inf))
        below = memory["below"] | (height < self.height_angstrom)
        return value, value > self.height_angstrom, {"below": below}

    def text(self, value: float) -> str:
        """See `Check`."""
        return f"atom at {value:.6g} Angstrom has passed the plane at {self.height_angstrom:.6g}"


def _bonds(structure: Structure) -> np.ndarray:
    """Rows (n_bonds, 2) of atoms that are bonded by their covalent radii."""
    radii = covalent_radii_angstrom(structure.numbers)
    i, j = np.triu_indices(len(structure), k=1)
    lengths = np.linalg.norm(_pair_vectors(structure, i, j), axis=-1)
    near = lengths < 1.2 * (radii[i] + radii[j])
    return np.stack([i[near], j[near]], axis=-1)


def _pair_vectors(structure: Structure, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) from atoms i to the nearest images of atoms j."""
    basis = periodic_basis(structure.cell, structure.pbc)
    vectors = structure.positions[j] - structure.positions[i]
    whole = np.round(vectors @ np.linalg.inv(basis)) * structure.pbc
    return vectors - whole @ basis


def _check_positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise ValueError(f"{name} must be positive, received {value}")
