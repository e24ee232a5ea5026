"""Errors of a model on structures that it has not seen."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ase import Atoms

import zn_pipeline as zn
from nodes.analysis.comparison import Comparison, compared_values
from nodes.interfaces import HasCalculator, HasPredictions

if TYPE_CHECKING:
    import pandas as pd


class EvaluatePotential(zn.Node):
    """Predict labelled structures and measure the errors.

    Energies are compared per atom, forces and stresses by component. Intervals come from
    resampling whole structures (percentile bootstrap).

    Parameters
    ----------
    structures : structures with reference energies and forces (and stresses)
    model : a trained model (predicts all structures at once), or any calculator spec
    n_resamples : number of bootstrap resamples
    confidence : probability inside the intervals
    seed : seed of the resampling

    Attributes
    ----------
    frames : `structures` with the model's results, in the same order; its uncertainties, if it
        has them, are ``info["energy_std"]`` (eV) and ``arrays["forces_std"]`` (eV/Angstrom)
    errors : one row per property: property, unit (meV/atom, meV/Angstrom, meV/Angstrom^3), mae,
        mae_low, mae_high, rmse, rmse_low, rmse_high, max_error, n_values, n_frames
    metrics : the same numbers by property

    Raises
    ------
    ValueError
        If the structures carry no labels.
    MapFailedError
        If the model fails for a structure.
    """

    structures: list[Atoms] = zn.deps()
    model: HasCalculator | HasPredictions = zn.deps()
    n_resamples: int = zn.params(1000)
    confidence: float = zn.params(0.95)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    errors: "pd.DataFrame" = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        import pandas as pd

        structures = list(self.structures)
        self.frames = self._predicted(structures)
        rows = [self._row(comparison) for comparison in compared_values(structures, self.frames)]
        self.errors = pd.DataFrame(rows)
        self.metrics = {
            row["property"]: {k: v for k, v in row.items() if k != "property"} for row in rows
        }

    def _predicted(self, structures: Sequence[Atoms]) -> Any:
        """Return the structures with the model's results; a trained model takes all at once."""
        if isinstance(self.model, HasPredictions):
            return self.model.predict(structures)
        known = self.model.get_calculator().implemented_properties
        has_stress = all(
            frame.calc is not None and "stress" in frame.calc.results for frame in structures
        )
        wanted = ("energy", "forces", *(["stress"] if has_stress else []))
        wanted += ("energy_std", "forces_std")
        evaluate = zn.Evaluate(self.model, tuple(name for name in wanted if name in known))
        return self.map(evaluate, structures)

    def _row(self, comparison: Comparison) -> dict[str, Any]:
        """Return one row of the table of errors."""
        from nodes.numerics.statistics import summarise_errors

        summary = summarise_errors(
            1e3 * comparison.reference,
            1e3 * comparison.predicted,
            frame=comparison.frame,
            n_resamples=self.n_resamples,
            confidence=self.confidence,
            seed=self.seed,
        )
        name = {"property": comparison.name, "unit": f"m{comparison.unit}"}
        return name | dataclasses.asdict(summary)
