"""What every node that holds a saved potential offers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from nodes.atoms import structures_of
from nodes.extras import require
from nodes.labels import attach_results
from nodes.training.calculator import PotentialCalculator, results_of

if TYPE_CHECKING:
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["TrainedModel"]

_FRAMES_AT_ONCE = 256


class TrainedModel:
    """The uses of a saved potential: for a node whose ``directory`` holds one."""

    if TYPE_CHECKING:
        directory: Path

    def energy_model(self) -> "tuple[EnergyModel, Params]":
        """Return the trained model and its parameters."""
        require("jax", extra="jax")
        from nodes.numerics.potentials import load_model

        return load_model(Path(self.directory))

    def get_calculator(self, directory: Path | None = None) -> PotentialCalculator:
        """Return an ASE calculator; `directory` is not used."""
        return PotentialCalculator(Path(self.directory))

    def predict(self, frames: Iterable[Atoms]) -> list[Atoms]:
        """Return copies of `frames` with energy, forces, stress and the ensemble's spread.

        ``info["energy_std"]`` is in eV, ``arrays["forces_std"]`` in eV/Angstrom by component.
        """
        model, params = self.energy_model()
        predicted = [frame.copy() for frame in frames]
        for chunk in _chunks(predicted):
            structures = structures_of(chunk)
            results = model.predict_many(params, structures, forces_std=True)
            for frame, prediction in zip(chunk, results, strict=True):
                attach_results(frame, results_of(prediction, model.config.heads))
        return predicted

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return last-layer gradient features per atom, shape (n_frames, n_features).

        The gradient of the energy by the weights of the last layer, divided by the number of
        atoms: V. Zaverkin et al., *Digit. Discov.* **1**, 605 (2022).
        """
        model, params = self.energy_model()
        from nodes.numerics.feature_maps import last_layer_features

        rows = last_layer_features(model, params, structures_of(frames))
        return np.asarray(rows, np.float64) / np.array([[len(frame)] for frame in frames])


def _chunks(frames: Sequence[Atoms]) -> Iterable[Sequence[Atoms]]:
    """Split `frames` so that the padded arrays of a part fit into memory."""
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        yield frames[start : start + _FRAMES_AT_ONCE]
