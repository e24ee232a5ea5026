"""Errors by category of structures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.analysis.comparison import Comparison, check_same_structures, shown_rows
from nodes.analysis.properties import compared_property, known_property
from nodes.extras import require

if TYPE_CHECKING:
    import pandas as pd

_ALL = "all"


class ErrorTable(zn.Node):
    """Measure errors of any properties, for all structures and for each category of them.

    A property is compared wherever a structure has it on both sides.

    Parameters
    ----------
    reference : structures with reference values
    predicted : the same structures in the same order with predictions; None if `reference` has
        both, told apart by the prefixes
    properties : ``"energy"`` and ``"atomization_energy"`` (per atom; needs isolated atoms among the
        structures), ``"forces"`` and ``"stress"`` (by component), ``"forces_norm"``, ``"virial"``
        (per atom), ``"info.NAME"``, ``"arrays.NAME"``
    reference_prefix, predicted_prefix : without a prefix values are results of the calculator; with
        ``"xtb_"`` they are ``info["xtb_energy"]``, ``arrays["xtb_forces"]`` and so on
    category_keys : entries of the info that make up the category, e.g. ``["config_type"]``;
        ``"formula"`` is the chemical formula of a structure without an entry of that name
    weight_key : entry of the info that weighs all values of the structure; without it all weigh 1
    title : headline of the plot
    max_points : values drawn per property; the worst ones are always among them

    Attributes
    ----------
    errors : one row per category and property: category, property, unit, rmse, mae, max_error (meV
        instead of eV), r2, n_values, n_frames; the category ``all`` comes first
    metrics : the same numbers as ``metrics[category][property]``; r2 is None where it is undefined
    image : PNG: for each property predicted against reference values, and errors against reference
        values, with one colour per category

    Raises
    ------
    ValueError
        If the two lists do not hold the same structures, a property is unknown or in none of them,
        or a category or weight is unusable.
    MissingExtraError
        If matplotlib is not installed.
    """

    reference: list[Atoms] = zn.deps()
    predicted: list[Atoms] | None = zn.deps(None)
    properties: list[str] = zn.params(["energy", "forces"])
    reference_prefix: str = zn.params("")
    predicted_prefix: str = zn.params("")
    category_keys: list[str] = zn.params([])
    weight_key: str | None = zn.params(None)
    title: str = zn.params("Errors by category")
    max_points: int = zn.params(5000)
    errors: "pd.DataFrame" = zn.outs()
    metrics: dict[str, Any] = zn.metrics()
    image: Path = zn.plots_path(zn.nwd / "errors.png")

    def run(self) -> None:
        import pandas as pd

        reference = list(self.reference)
        predicted = reference if self.predicted is None else list(self.predicted)
        self._check(reference, predicted)
        categories = _categories(reference, self.category_keys)
        weights = _weights(reference, self.weight_key)
        comparisons = [
            compared_property(
                name, (reference, self.reference_prefix), (predicted, self.predicted_prefix)
            )
            for name in self.properties
        ]
        rows = [
            _row(name, comparison, members, weights)
            for name, members in _members(categories)
            for comparison in comparisons
            if members[comparison.frame].any()
        ]
        self.errors = pd.DataFrame(rows)
        self.metrics = _nested(rows)
        _write_image(Path(self.image), comparisons, categories, self.title, self.max_points)

    def _check(self, reference: Sequence[Atoms], predicted: Sequence[Atoms]) -> None:
        unknown = [name for name in self.properties if not known_property(name)]
        if unknown or not self.properties:
            raise ValueError(
                "properties must be energy, atomization_energy, forces, forces_norm, stress, "
                f"virial, info.NAME or arrays.NAME, received {unknown or 'none'}"
            )
        if self.max_points < 1:
            raise ValueError(f"max_points must be at least 1, received {self.max_points}")
        if self.predicted is None and self.reference_prefix == self.predicted_prefix:
            raise ValueError(
                "reference_prefix and predicted_prefix must differ when predicted is not given, "
                f"received {self.predicted_prefix!r} for both"
            )
        check_same_structures(reference, predicted)


def _categories(frames: Sequence[Atoms], keys: Sequence[str]) -> NDArray[np.str_]:
    """Return the category of each structure, shape (n_frames,)."""
    names = [" / ".join(_entry(frame, key) for key in keys) for frame in frames]
    if keys and _ALL in names:
        raise ValueError(
            f"category_keys must not give a category the name {_ALL!r}, which stands for all "
            f"structures, received it in row {names.index(_ALL)}"
        )
    return np.array([name or _ALL for name in names])


def _entry(frame: Atoms, key: str) -> str:
    if key == "formula" and key not in frame.info:
        return frame.get_chemical_formula()
    return str(frame.info.get(key, "none"))


def _weights(frames: Sequence[Atoms], key: str | None) -> NDArray[np.float64]:
    """Return the weight of each structure, shape (n_frames,)."""
    return np.array([1.0 if key is None else frame.info.get(key, 1.0) for frame in frames], float)


def _members(categories: NDArray[np.str_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return which structures belong to all and to each category in the order of their names."""
    found = [(_ALL, np.ones(len(categories), dtype=np.bool_))]
    found += [(str(name), categories == name) for name in np.unique(categories) if name != _ALL]
    return found


def _row(
    category: str,
    comparison: Comparison,
    members: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the errors of the structures in one category."""
    from nodes.numerics.statistics import error_measures

    chosen = members[comparison.frame]
    frame = comparison.frame[chosen]
    in_ev = comparison.unit.startswith("eV")
    factor = 1e3 if in_ev else 1.0
    measures = error_measures(
        factor * comparison.reference[chosen],
        factor * comparison.predicted[chosen],
        weights=weights[frame],
    )
    return {
        "category": category,
        "property": comparison.name,
        "unit": f"m{comparison.unit}" if in_ev else comparison.unit,
        "rmse": measures.rmse,
        "mae": measures.mae,
        "max_error": measures.max_error,
        "r2": measures.r2,
        "n_values": measures.n_values,
        "n_frames": len(np.unique(frame)),
    }


def _nested(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows by category and property; a number that is undefined becomes None."""
    metrics: dict[str, Any] = {}
    for row in rows:
        entry = {key: value for key, value in row.items() if key not in ("category", "property")}
        entry["r2"] = None if np.isnan(entry["r2"]) else entry["r2"]
        metrics.setdefault(row["category"], {})[row["property"]] = entry
    return metrics


def _write_image(
    path: Path,
    comparisons: Sequence[Comparison],
    categories: NDArray[np.str_],
    title: str,
    max_points: int,
) -> None:
    figure = require("matplotlib.figure", extra="plots").Figure(
        figsize=(9.0, 4.0 * len(comparisons)), layout="constrained"
    )
    axes = figure.subplots(len(comparisons), 2, squeeze=False)
    names = np.unique(categories)
    for (parity, scatter), one in zip(axes, comparisons, strict=True):
        rows = shown_rows(one, max_points)
        x, y = one.reference[rows], one.predicted[rows]
        unit = f" ({one.unit})" if one.unit else ""
        parity.axline((x[0], x[0]), slope=1.0, color="0.6", linewidth=1.0)
        scatter.axhline(0.0, color="0.6", linewidth=1.0)
        for name in names:
            chosen = categories[one.frame[rows]] == name
            style = {"alpha": 0.45, "markersize": 4, "label": str(name)}
            parity.plot(x[chosen], y[chosen], ".", **style)
            scatter.plot(x[chosen], (y - x)[chosen], ".", **style)
        parity.set(xlabel=f"reference {one.name}{unit}", ylabel=f"predicted{unit}")
        scatter.set(xlabel=f"reference {one.name}{unit}", ylabel=f"predicted - reference{unit}")
    if len(names) > 1:
        axes[0][1].legend(fontsize="small")
    figure.suptitle(title)
    figure.savefig(path, dpi=150, metadata={"Software": None})
