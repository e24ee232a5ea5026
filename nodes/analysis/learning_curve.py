"""Learning curves."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import zn_pipeline as zn
from nodes.extras import require

if TYPE_CHECKING:
    import pandas as pd

_PROPERTIES = {"energy": "energy error (meV/atom)", "forces": "force error (meV/Angstrom)"}


class PlotLearningCurve(zn.Node):
    """Draw test errors against the number of training structures, with their intervals.

    Parameters
    ----------
    n_train : number of training structures of each model
    evaluations : metrics of EvaluatePotential for each model, in the same order
    title : headline of the plot

    Attributes
    ----------
    curve : one row per model, ascending in n_train: n_train, then for energy (meV/atom) and
        forces (meV/Angstrom) the mae and rmse with low and high bounds, e.g. ``forces_mae_low``
    image : PNG with one logarithmic panel per property

    Raises
    ------
    ValueError
        If the lists are empty or of different length.
    MissingExtraError
        If matplotlib is not installed.
    """

    n_train: list[int] = zn.deps()
    evaluations: list[dict[str, Any]] = zn.deps()
    title: str = zn.params("Learning curve")
    curve: "pd.DataFrame" = zn.plots(
        x="n_train",
        y=["energy_mae", "forces_mae"],
        x_label="training structures",
        y_label="MAE (meV/atom, meV/Angstrom)",
        title="Learning curve",
    )
    image: Path = zn.plots_path(zn.nwd / "learning_curve.png")

    def run(self) -> None:
        import pandas as pd

        sizes, evaluations = list(self.n_train), list(self.evaluations)
        if len(sizes) != len(evaluations) or not sizes:
            raise ValueError(
                "n_train and evaluations must have one entry for each model, at least one, "
                f"received {len(sizes)} and {len(evaluations)}"
            )
        rows = [
            {"n_train": int(size)} | _flat(evaluation)
            for size, evaluation in zip(sizes, evaluations, strict=True)
        ]
        self.curve = pd.DataFrame(rows).sort_values("n_train", kind="stable", ignore_index=True)
        _write_image(Path(self.image), self.curve, self.title)


def _flat(evaluation: dict[str, Any]) -> dict[str, float]:
    """Return the errors of one model with names such as ``forces_mae_low``."""
    return {
        f"{name}_{kind}{bound}": float(evaluation[name][f"{kind}{bound}"])
        for name in _PROPERTIES
        if name in evaluation
        for kind in ("mae", "rmse")
        for bound in ("", "_low", "_high")
    }


def _write_image(path: Path, curve: "pd.DataFrame", title: str) -> None:
    names = [name for name in _PROPERTIES if f"{name}_mae" in curve]
    figure = require("matplotlib.figure", extra="plots").Figure(
        figsize=(4.5 * len(names), 4.2), layout="constrained"
    )
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        for kind in ("mae", "rmse"):
            values = curve[f"{name}_{kind}"]
            bounds = (curve[f"{name}_{kind}_low"], curve[f"{name}_{kind}_high"])
            bars = [(values - bounds[0]).clip(lower=0.0), (bounds[1] - values).clip(lower=0.0)]
            ax.errorbar(
                curve["n_train"], values, yerr=bars, marker="o", capsize=3, label=kind.upper()
            )
        ax.set(xscale="log", yscale="log", xlabel="training structures", ylabel=_PROPERTIES[name])
        ax.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=150, metadata={"Software": None})
