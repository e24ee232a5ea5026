"""Bring the uncertainties of a trained ensemble to the size of its errors."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ase import Atoms

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.extras import require
from nodes.interfaces import HasEnergyModel
from nodes.training.calculator import PotentialCalculator
from nodes.training.trained import TrainedModel

if TYPE_CHECKING:
    import pandas as pd

    from nodes.numerics.fit.calibration import Deviations

__all__ = ["CalibrateUncertainty"]

_FACTORS = "calibration.json"


class CalibrateUncertainty(TrainedModel, zn.Node):
    """Scale the spread of an ensemble so that it tells the size of the errors.

    The factor of the forces is put into the weights of the last layer, so that whatever uses the
    model sees it, molecular dynamics included; predictions keep their mean. What it leaves to do
    for energies, and both factors if the ensemble is a full one, is applied to ``energy_std`` and
    ``forces_std`` by `predict` and by the calculator of this node alone.

    Parameters
    ----------
    model : a trained ensemble
    frames : held-out structures with energies and forces
    target : whose errors decide: ``"separate"``, each of energies and forces has its own factor;
        ``"energy"`` or ``"forces"``, one factor for both; ``"shared"``, the geometric mean of the
        two
    score : what the factors make the best: ``"nll"``, the likelihood of normal errors, or
        ``"crps"``, the continuous ranked probability score, in which outliers count less
    n_bins : of the table

    Attributes
    ----------
    directory : the saved model
    reliability : share of errors inside the central interval of each probability: probability, and
        for energy and forces the share before and after; right is share = probability
    table : values sorted by uncertainty into bins of equal number: property, bin, std, rmse,
        n_values; after the calibration, in eV/atom and eV/Angstrom; right is std = rmse
    metrics : energy_factor, forces_factor, and for energy and forces, before and after, the
        miscalibration (area between reliability and diagonal), nll and crps

    Raises
    ------
    ValueError
        If the model has one member, or a frame lacks labels.
    """

    model: HasEnergyModel = zn.deps()
    frames: list[Atoms] = zn.deps()
    target: Literal["separate", "shared", "energy", "forces"] = zn.params("separate")
    score: Literal["nll", "crps"] = zn.params("nll")
    n_bins: int = zn.params(10)
    directory: Path = zn.outs_path(zn.nwd / "model")
    reliability: "pd.DataFrame" = zn.plots(
        x="probability",
        y=["energy_before", "energy_after", "forces_before", "forces_after"],
        x_label="probability of the interval",
        y_label="share of errors inside",
        title="Reliability",
    )
    table: "pd.DataFrame" = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        require("jax", extra="jax")
        from nodes.numerics.fit.calibration import (
            ensemble_deviations,
            spread_factors,
            with_spread,
        )
        from nodes.numerics.potentials import save_model

        model, params = self.model.energy_model()
        structures = structures_of(self.frames, labelled=True)
        before = ensemble_deviations(model, params, structures)
        factors = spread_factors(before, target=self.target, score=self.score)
        rest = {"energy": factors.energy, "forces": factors.forces}
        if not model.config.full:
            params = with_spread(model, params, factors.forces)
            rest = {"energy": factors.energy / factors.forces, "forces": 1.0}
        save_model(Path(self.directory), model, params)
        (Path(self.directory) / _FACTORS).write_text(json.dumps(rest) + "\n")
        after = before.scaled(*factors)
        self.reliability = _reliability(before, after)
        self.table = _table(after, self.n_bins)
        self.metrics = {"energy_factor": factors.energy, "forces_factor": factors.forces}
        self.metrics |= _scores(before, after)

    def predict(self, frames: Iterable[Atoms]) -> list[Atoms]:
        """Return copies of `frames` with energy, forces, stress and calibrated uncertainties.

        ``info["energy_std"]`` is in eV, ``arrays["forces_std"]`` in eV/Angstrom by component.
        """
        energy, forces = self._rest()
        predicted = super().predict(frames)
        for frame in predicted:
            frame.info["energy_std"] *= energy
            frame.arrays["forces_std"] *= forces
        return predicted

    def get_calculator(self, directory: Path | None = None) -> PotentialCalculator:
        """Return an ASE calculator; `directory` is not used."""
        require("jax", extra="jax")
        from nodes.numerics.biases import Calibration

        return PotentialCalculator(Path(self.directory), biases=[Calibration(*self._rest())])

    def _rest(self) -> tuple[float, float]:
        """Return the factors of energy and forces that are not part of the weights."""
        rest = json.loads((Path(self.directory) / _FACTORS).read_text())
        return rest["energy"], rest["forces"]


def _pairs(deviations: "Deviations") -> dict[str, tuple[Any, Any]]:
    return {
        "energy": (deviations.energy_errors, deviations.energy_stds),
        "forces": (deviations.forces_errors, deviations.forces_stds),
    }


def _reliability(before: "Deviations", after: "Deviations") -> "pd.DataFrame":
    import pandas as pd

    from nodes.numerics.uncertainty import reliability_curve

    columns: dict[str, Any] = {}
    for when, deviations in (("before", before), ("after", after)):
        for name, pair in _pairs(deviations).items():
            columns["probability"], columns[f"{name}_{when}"] = reliability_curve(*pair)
    return pd.DataFrame(columns)


def _table(after: "Deviations", n_bins: int) -> "pd.DataFrame":
    import pandas as pd

    from nodes.numerics.uncertainty import spread_table

    parts = []
    for name, pair in _pairs(after).items():
        bins = spread_table(*pair, n_bins)
        numbers = range(1, len(bins.n_values) + 1)
        parts.append(pd.DataFrame({"property": name, "bin": numbers} | bins._asdict()))
    return pd.concat(parts, ignore_index=True)


def _scores(before: "Deviations", after: "Deviations") -> dict[str, Any]:
    from nodes.numerics.uncertainty import crps, miscalibration_area, nll

    measures = {"miscalibration": miscalibration_area, "nll": nll, "crps": crps}
    return {
        name: {
            f"{measure}_{when}": function(*_pairs(deviations)[name])
            for when, deviations in (("before", before), ("after", after))
            for measure, function in measures.items()
        }
        for name in ("energy", "forces")
    }
