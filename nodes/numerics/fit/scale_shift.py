"""Reference energies and scales of the elements, found before training.

A method is a frozen dataclass that is called with labelled structures. Shifts are eV per atom of
each element and become the reference energies of a model; scales are what the output of its
network is multiplied by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nodes.numerics.potentials.graph import species_of
from nodes.numerics.structures import Structure

__all__ = [
    "ElementEnergies", "ElementScales", "EnergyRms", "ForceRms", "GlobalScale", "MeanAtomEnergy",
    "Regression", "Scale", "Shift", "composition", "regress",
]  # fmt: skip

PerElement = Mapping[int, float] | tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Shift:
    """Base of the methods for reference energies."""

    name: ClassVar[str]

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """Energy per atom of each element, eV, shape (n_elements,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Regression(Shift):
    """Energies regressed on the composition: deviations from the mean energy per atom.

    Parameters
    ----------
    regularisation : float
        Weight of the squared deviations of elements beside the squared errors (ridge). With 0
        exact references are recovered, and compositions that do not tell elements apart give
        equal shares (least norm).
    """

    regularisation: float = 0.0
    name: ClassVar[str] = "regression"

    def __post_init__(self) -> None:
        if self.regularisation < 0.0:
            raise ValueError(f"regularisation must not be negative, received {self.regularisation}")

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """Zero without labels."""
        counts, energies = composition(structures, elements)
        if not len(energies):
            return np.zeros(len(elements))
        return regress(counts, energies, self.regularisation)


@dataclass(frozen=True)
class MeanAtomEnergy(Shift):
    """The mean energy per atom for every element."""

    name: ClassVar[str] = "mean_atom_energy"

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """Zero without labels."""
        counts, energies = composition(structures, elements)
        mean = energies.sum() / counts.sum() if len(energies) else 0.0
        return np.full(len(elements), mean)


@dataclass(frozen=True)
class ElementEnergies(Shift):
    """Given energies, of isolated atoms for instance.

    Parameters
    ----------
    energies : mapping of int to float
        Atomic number to eV, for every element of the model.
    """

    energies: PerElement = ()
    name: ClassVar[str] = "element_energies"

    def __post_init__(self) -> None:
        object.__setattr__(self, "energies", _pairs(self.energies))

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """See `Shift`; an element without energy is an error."""
        return _all_of("energies", self.energies, elements)


@dataclass(frozen=True)
class Scale:
    """Base of the methods for scales."""

    name: ClassVar[str]

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """Scale of each element, shape (n_elements,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class ForceRms(Scale):
    """Root mean square force component of each element: sqrt(mean(F . F) / 3), eV/Angstrom.

    An element without forces gets the value over all atoms, or 1 if there are no forces at all.
    """

    name: ClassVar[str] = "force_rms"

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """See `Scale`."""
        labelled = [(s.numbers, s.forces) for s in structures if s.forces is not None]
        if not labelled:
            return np.ones(len(elements))
        species = np.concatenate([species_of(numbers, elements) for numbers, _ in labelled])
        squares = np.concatenate([np.mean(np.square(forces), axis=1) for _, forces in labelled])
        counts = np.bincount(species, minlength=len(elements))
        sums = np.bincount(species, weights=squares, minlength=len(elements))
        overall = squares.mean() or 1.0
        means = np.where(sums > 0, sums / np.maximum(counts, 1), overall)
        return np.sqrt(means)


@dataclass(frozen=True)
class EnergyRms(Scale):
    """Root mean square deviation of the energy per atom from its mean, each atom counted, eV."""

    name: ClassVar[str] = "energy_rms"

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """See `Scale`; 1 without energies or where they do not differ."""
        counts, energies = composition(structures, elements)
        if not len(energies):
            return np.ones(len(elements))
        n_atoms = counts.sum(axis=1)
        deviation = energies - n_atoms * energies.sum() / n_atoms.sum()
        spread = np.sqrt(np.sum(deviation**2 / n_atoms) / n_atoms.sum())
        return np.full(len(elements), spread or 1.0)


@dataclass(frozen=True)
class GlobalScale(Scale):
    """One given factor for all elements."""

    factor: float = 1.0
    name: ClassVar[str] = "global_scale"

    def __post_init__(self) -> None:
        if not self.factor > 0.0:
            raise ValueError(f"factor must be positive, received {self.factor}")

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """See `Scale`."""
        return np.full(len(elements), self.factor)


@dataclass(frozen=True)
class ElementScales(Scale):
    """Given factors.

    Parameters
    ----------
    factors : mapping of int to float
        Atomic number to factor, for every element of the model.
    """

    factors: PerElement = ()
    name: ClassVar[str] = "element_scales"

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", _pairs(self.factors))
        if any(not factor > 0.0 for _, factor in _pairs(self.factors)):
            raise ValueError(f"factors must be positive, received {dict(self.factors)}")

    def __call__(self, structures: Sequence[Structure], elements: Sequence[int]) -> np.ndarray:
        """See `Scale`; an element without factor is an error."""
        return _all_of("factors", self.factors, elements)


def composition(
    structures: Sequence[Structure], elements: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of each element (m, n_elements) and energies (m,) in eV of the labelled structures."""
    labelled = [s for s in structures if s.energy is not None]
    size = len(elements)
    counts = [
        np.bincount(species_of(s.numbers, elements), minlength=len(elements)) for s in labelled
    ]
    energies = np.array([s.energy for s in labelled], np.float64)
    return np.array(counts, np.float64).reshape(-1, size), energies


def regress(counts: np.ndarray, energies: np.ndarray, regularisation: float) -> np.ndarray:
    """Energies of elements (n_elements,) from compositions (m, n_elements); see `Regression`."""
    mean = energies.sum() / max(counts.sum(), 1.0)
    deviation = energies - mean * counts.sum(axis=1)
    if regularisation == 0.0:
        return mean + np.linalg.lstsq(counts, deviation, rcond=1e-6)[0]
    ridge = counts.T @ counts + regularisation * np.eye(counts.shape[1])
    return mean + np.linalg.solve(ridge, counts.T @ deviation)


def _pairs(values: PerElement) -> tuple[tuple[int, float], ...]:
    pairs = values.items() if isinstance(values, Mapping) else values
    return tuple(sorted((int(number), float(value)) for number, value in pairs))


def _all_of(name: str, values: PerElement, elements: Sequence[int]) -> np.ndarray:
    known = dict(_pairs(values))
    missing = [number for number in elements if number not in known]
    if missing:
        raise ValueError(
            f"{name} must hold every element of the model, received {known} without {missing}"
        )
    return np.array([known[number] for number in elements], np.float64)
