"""Choose structures that a model is uncertain of."""

from typing import Any

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasPredictions
from nodes.selection.base import Selection, allowed_rows
from nodes.selection.values import frame_values


class SelectByThreshold(Selection):
    """Choose structures whose uncertainty, or any other value, is above a threshold.

    They keep their order.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    threshold : in the unit of the value
    value : ``"arrays.forces_std"`` is the largest uncertainty of a force in the structure,
        eV/Angstrom; ``"info.energy_std"`` that of the energy, eV; or another ``"arrays.NAME"``,
        ``"info.NAME"``, ``"energy"`` (eV/atom), ``"volume"`` (Angstrom^3/atom)
    n_select : of those above the threshold, take so many of the highest value; None takes all
    model : predicts the candidates first; None takes the values that they have
    exclude : structures that must not be chosen (same elements, positions and cell)

    Attributes
    ----------
    rows : ascending rows of `candidates`
    values : shape (n_candidates,), the value of each candidate
    metrics : n_candidates, n_above (candidates above the threshold that are not excluded),
        n_selected, highest, mean
    frames, excluded_frames : chosen and other structures

    Raises
    ------
    ValueError
        If a structure does not have the value, or fewer than `n_select` are above the threshold.
    """

    threshold: float = zn.params()
    value: str = zn.params("arrays.forces_std")
    n_select: int | None = zn.params(None)
    model: HasPredictions | None = zn.deps(None)
    exclude: list[Atoms] | None = zn.deps(None)
    values: np.ndarray = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        from nodes.numerics.selection import rows_above

        candidates = list(self.candidates)
        predicted = candidates if self.model is None else self.model.predict(candidates)
        self.values = frame_values(predicted, self.value)
        allowed = allowed_rows(candidates, self.exclude)
        free = self.values[allowed]
        self.rows = allowed[rows_above(free, self.threshold, self.n_select)]
        self.metrics = {
            "n_candidates": len(candidates),
            "n_above": int(np.sum(free > self.threshold)),
            "n_selected": len(self.rows),
            "highest": float(self.values.max()),
            "mean": float(self.values.mean()),
        }
