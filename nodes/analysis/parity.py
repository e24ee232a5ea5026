"""Parity plots: predicted against reference values."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.analysis.comparison import Comparison, compared_values, shown_rows
from nodes.analysis.webpage import parity_page
from nodes.extras import require

if TYPE_CHECKING:
    import pandas as pd


class PlotParity(zn.Node):
    """Draw predicted against reference energies, forces and stresses.

    Parameters
    ----------
    reference : labelled structures
    predicted : the same structures in the same order with a model's results
    title : headline of the plots
    max_points : values drawn per property; the worst ones are always among them

    Attributes
    ----------
    image : PNG with one panel per property
    page : HTML page without any other file; each point tells the row of its structure
    energy : columns frame, reference, predicted; eV/atom
    forces : columns frame, reference, predicted; eV/Angstrom, one row per drawn component

    Raises
    ------
    ValueError
        If the two lists do not hold the same structures, or share no property.
    MissingExtraError
        If matplotlib is not installed.
    """

    reference: list[Atoms] = zn.deps()
    predicted: list[Atoms] = zn.deps()
    title: str = zn.params("Predicted against reference values")
    max_points: int = zn.params(5000)
    image: Path = zn.plots_path(zn.nwd / "parity.png")
    page: Path = zn.outs_path(zn.nwd / "parity.html")
    energy: "pd.DataFrame" = zn.plots(
        x="reference",
        y="predicted",
        x_label="reference energy (eV/atom)",
        y_label="predicted energy (eV/atom)",
        title="Energy",
        template="scatter",
    )
    forces: "pd.DataFrame" = zn.plots(
        x="reference",
        y="predicted",
        x_label="reference force (eV/Angstrom)",
        y_label="predicted force (eV/Angstrom)",
        title="Forces",
        template="scatter",
    )

    def run(self) -> None:
        if self.max_points < 1:
            raise ValueError(f"max_points must be at least 1, received {self.max_points}")
        comparisons = compared_values(self.reference, self.predicted)
        shown = [shown_rows(one, self.max_points) for one in comparisons]
        _write_image(Path(self.image), comparisons, shown, self.title)
        page = parity_page(comparisons, shown, title=self.title)
        Path(self.page).write_text(page, encoding="utf-8")
        self.energy = _table("energy", comparisons, shown)
        self.forces = _table("forces", comparisons, shown)


def _table(
    name: str, comparisons: Sequence[Comparison], shown: Sequence[np.ndarray]
) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, np.ndarray] = {"frame": np.array([], int)}
    columns |= {"reference": np.array([]), "predicted": np.array([])}
    for one, rows in zip(comparisons, shown, strict=True):
        if one.name == name:
            columns = {key: getattr(one, key)[rows] for key in columns}
    return pd.DataFrame(columns)


def _write_image(
    path: Path, comparisons: Sequence[Comparison], shown: Sequence[np.ndarray], title: str
) -> None:
    figure = require("matplotlib.figure", extra="plots").Figure(
        figsize=(4.5 * len(comparisons), 4.8), layout="constrained"
    )
    axes = figure.subplots(1, len(comparisons), squeeze=False)[0]
    for ax, one, rows in zip(axes, comparisons, shown, strict=True):
        ax.axline((one.reference[0], one.reference[0]), slope=1.0, color="0.6", linewidth=1.0)
        ax.plot(one.reference[rows], one.predicted[rows], ".", alpha=0.45, markersize=4)
        ax.set(xlabel=f"reference {one.name} ({one.unit})", ylabel=f"predicted ({one.unit})")
    figure.suptitle(title)
    figure.savefig(path, dpi=150, metadata={"Software": None})
