"""Errors of a trained model on structures that it has not seen: what ``znp eval`` does."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nodes.training.config.train import TrainConfig
from nodes.training.data import load_test
from nodes.training.runs import load_trained, split_record

if TYPE_CHECKING:
    from nodes.numerics.structures import Structure

__all__ = ["error_table", "evaluate", "wants_force_std"]

_AT_ONCE = 256
_UNITS = {
    "energy": ("eV/atom", 1e3, "meV/atom"),
    "forces": ("eV/Angstrom", 1e3, "meV/Angstrom"),
    "stress": ("eV/Angstrom^3", 1.0, "eV/Angstrom^3"),
}


def evaluate(config: TrainConfig, *, n_data: int | None = None) -> dict[str, Any]:
    """Return errors on the structures for tests, and write them to ``test_metrics.json``.

    Parameters
    ----------
    config : of a run that has been trained
    n_data : how many structures at most

    Returns
    -------
    dict
        n_structures and, of each quantity with labels, ``{name}_{mae,rmse,max}`` in eV and
        Angstrom (energies per atom, all components alike); of an ensemble also ``{name}_std``
        (root mean square) and ``{name}_nll`` (mean negative log likelihood of a normal
        distribution).
    """
    model, params = load_trained(config.directory)
    structures = load_test(
        config.data, config.model.property_heads, record=split_record(config), n_data=n_data
    )
    spread = wants_force_std(config)
    errors: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(structures), _AT_ONCE):
        chunk = structures[start : start + _AT_ONCE]
        predictions = model.predict_many(
            params, chunk, batch_size=config.data.valid_batch_size, forces_std=spread
        )
        for structure, prediction in zip(chunk, predictions, strict=True):
            for name, values in _errors(structure, prediction).items():
                errors.setdefault(name, []).append(values)
    found = {"n_structures": len(structures)} | _metrics(
        errors, with_spread=config.model.ensemble is not None
    )
    path = config.directory / "test_metrics.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    return found


def wants_force_std(config: TrainConfig) -> bool:
    """Whether uncertainties of forces are evaluated."""
    ensemble = config.model.ensemble
    return ensemble is not None and getattr(ensemble, "force_variance", True)


def error_table(metrics: dict[str, Any], path: Path | None = None) -> list[str]:
    """Return lines of a table of the errors."""
    names = [name.removesuffix("_mae") for name in metrics if name.endswith("_mae")]
    lines = [f"{'':<12}{'MAE':>12}{'RMSE':>12}{'max':>12}"]
    for name in names:
        _, factor, unit = _UNITS.get(name, ("", 1.0, ""))
        cells = [f"{factor * metrics[f'{name}_{kind}']:>12.4g}" for kind in ("mae", "rmse", "max")]
        lines.append(f"{name:<12}{''.join(cells)}  {unit}")
    lines.append(f"{metrics['n_structures']} structures" + (f"; see {path}" if path else ""))
    return lines


def _errors(structure: "Structure", prediction: Any) -> dict[str, np.ndarray]:
    """Return errors of all labels as flat arrays, and the spread that belongs to them."""
    found: dict[str, Any] = {}
    n_atoms = len(structure)
    if structure.energy is not None:
        found["energy"] = (prediction.energy - structure.energy) / n_atoms
        found["energy|std"] = prediction.energy_std / n_atoms
    if structure.forces is not None:
        found["forces"] = prediction.forces - structure.forces
        found["forces|std"] = prediction.forces_std
    if structure.stress is not None and prediction.stress is not None:
        found["stress"] = prediction.stress - structure.stress
    for name, label in structure.properties.items():
        found[name] = np.asarray(prediction.properties[name]).reshape(np.shape(label)) - label
    return {name: np.ravel(value) for name, value in found.items() if value is not None}


def _metrics(errors: dict[str, list[np.ndarray]], *, with_spread: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    rank = {name: place for place, name in enumerate(_UNITS)}
    names = [name for name in errors if not name.endswith("|std")]
    for name in sorted(names, key=lambda name: rank.get(name, len(rank))):
        values = np.concatenate(errors[name])
        found |= {
            f"{name}_mae": float(np.mean(np.abs(values))),
            f"{name}_rmse": float(np.sqrt(np.mean(values**2))),
            f"{name}_max": float(np.max(np.abs(values))),
        }
        if with_spread and f"{name}|std" in errors:
            std = np.maximum(np.concatenate(errors[f"{name}|std"]), 1e-9)
            likelihood = np.log(std) + 0.5 * (values / std) ** 2 + 0.5 * np.log(2.0 * np.pi)
            found |= {
                f"{name}_std": float(np.sqrt(np.mean(std**2))),
                f"{name}_nll": float(np.mean(likelihood)),
            }
    return found
