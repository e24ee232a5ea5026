"""What nodes ask of each other, as protocols: any object with these members will do."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["HasCalculator", "HasEnergyModel", "HasFeatures", "HasFrames", "HasPredictions"]


@runtime_checkable
class HasFrames(Protocol):
    """Gives structures."""

    @property
    def frames(self) -> Sequence[Atoms]:
        """Structures; positions and cell in Angstrom."""
        ...


@runtime_checkable
class HasCalculator(Protocol):
    """Gives energies and forces: a calculator spec, or a node that trained a model."""

    def get_calculator(self, directory: Path | None = None) -> BaseCalculator:
        """Return a new ASE calculator (eV, eV/Angstrom).

        Parameters
        ----------
        directory : where a calculator that writes files may write them
        """
        ...


@runtime_checkable
class HasPredictions(Protocol):
    """Predicts many structures at once."""

    def predict(self, frames: Sequence[Atoms]) -> list[Atoms]:
        """Return copies of `frames`, in order, with energy (eV) and forces (eV/Angstrom)."""
        ...


@runtime_checkable
class HasEnergyModel(Protocol):
    """Gives a trained model as plain functions of arrays."""

    def energy_model(self) -> "tuple[EnergyModel, Params]":
        """Return the model and its parameters."""
        ...


@runtime_checkable
class HasFeatures(Protocol):
    """Describes structures by vectors: similar structures lie close together."""

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_features)."""
        ...
