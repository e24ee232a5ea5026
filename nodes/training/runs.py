"""Training runs in folders: what ``znp train`` and ``znp eval`` do.

A run lives in ``data.directory/data.experiment``: ``config.yaml`` (a copy), ``split.json``,
``checkpoint/``, ``log.csv`` and other logs, ``best/`` (the trained model) and ``summary.json``.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.extras import require
from nodes.schema.reading import ConfigError, read_config, write_config
from nodes.training.apax_import.model import load_apax_model
from nodes.training.callbacks.opening import EpochLog, callbacks_of
from nodes.training.config.lower_fit import lower_fit
from nodes.training.config.lower_model import lower_model
from nodes.training.config.train import TrainConfig
from nodes.training.data import load_split

if TYPE_CHECKING:
    from nodes.numerics.fit import FitResult
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["TrainSummary", "find_run", "load_trained", "split_record", "train"]


@dataclass(frozen=True)
class TrainSummary:
    """What came out of a training run.

    Attributes
    ----------
    model : folder of the trained model
    n_train, n_valid : structures
    n_parameters : numbers that the model has learned or may learn
    n_epochs, best_epoch : counted from 1
    n_compilations, n_shapes : programs that were compiled, shapes that structures were padded to
    seconds : wall time of this call
    metrics : of the best epoch
    """

    model: str
    n_train: int
    n_valid: int
    n_parameters: int
    n_epochs: int
    best_epoch: int
    n_compilations: int
    n_shapes: int
    seconds: float
    metrics: dict[str, float]

    @property
    def lines(self) -> list[str]:
        """The same for people to read."""
        part = "valid" if "valid_loss" in self.metrics else "train"
        shown = {"energy_per_atom_mae": "meV/atom", "forces_mae": "meV/Angstrom"}
        errors = [
            f"{name.removesuffix('_mae').replace('_', ' ')} MAE "
            f"{1e3 * self.metrics[f'{part}_{name}']:.4g} {unit}"
            for name, unit in shown.items()
            if f"{part}_{name}" in self.metrics
        ]
        return [
            f"model: {self.model} ({self.n_parameters} parameters)",
            f"structures: {self.n_train} to train on, {self.n_valid} to validate on",
            f"epochs: {self.n_epochs}, the best is {self.best_epoch}: {', '.join(errors)}",
            f"time: {self.seconds:.1f} s; {self.n_compilations} compilations for {self.n_shapes} "
            f"shapes",
        ]


def train(config: TrainConfig, *, fresh: bool = False) -> TrainSummary:
    """Train a model; a run that was interrupted goes on from its checkpoint.

    Parameters
    ----------
    config : TrainConfig
    fresh : begin anew even if there is a checkpoint

    Raises
    ------
    ValueError
        If structures or settings do not fit, or the folder holds a run with other settings.
    """
    require("jax", extra="jax")
    require("optax", extra="jax")
    from nodes.numerics.fit import fit
    from nodes.numerics.potentials import EnergyModel, save_model

    started, directory = time.monotonic(), config.directory
    if fresh:
        _remove_results(directory)
    initial = _initial(config)
    writers = callbacks_of(config)
    _check_same(config)
    directory.mkdir(parents=True, exist_ok=True)
    write_config(directory / "config.yaml", config)
    split = load_split(
        config.data, config.model.property_heads, seed=config.seed, record=split_record(config)
    )
    numbers = {int(z) for structure in (*split.train, *split.valid) for z in structure.numbers}
    model = EnergyModel(lower_model(config.model, numbers))
    with EpochLog(config, writers) as log:
        result = fit(
            model,
            split.train,
            split.valid,
            lower_fit(config, len(split.train)),
            initial=initial,
            checkpoint_dir=directory / "checkpoint",
            on_epoch=log,
        )
    save_model(directory / "best", model, result.params)
    summary = _summary(config, result, (len(split.train), len(split.valid)), started)
    (directory / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
    return summary


def split_record(config: TrainConfig) -> Path:
    """Return the file that says which structures were trained on."""
    return config.directory / "split.json"


def find_run(path: Path) -> TrainConfig:
    """Return the config of a run, from its YAML file or its folder."""
    return read_config(path / "config.yaml" if path.is_dir() else path, TrainConfig)


def load_trained(path: Path) -> "tuple[EnergyModel, Params]":
    """Load a trained model.

    Parameters
    ----------
    path : folder of a model, folder of a run (ours or of apax), or YAML file of a run

    Raises
    ------
    ConfigError
        If there is no model.
    """
    require("jax", extra="jax")
    from nodes.numerics.potentials import load_model

    folder = read_config(path, TrainConfig).directory if path.is_file() else path
    for place in (folder, folder / "best"):
        if (place / "model.json").is_file():
            return load_model(place)
    if any(found.is_dir() and found.name.isdigit() for found in (folder / "best").glob("*")):
        return load_apax_model(folder)
    raise ConfigError(
        f"{path} must be a trained model, the folder of a run, or its YAML file, received no "
        f"model in {folder} or {folder / 'best'}"
    )


def _initial(config: TrainConfig) -> "tuple[EnergyModel, Params] | None":
    """Return the model to start from, if the config names one."""
    transfer = config.transfer_learning
    if transfer is None or transfer.base_model_checkpoint is None:
        return None
    return load_trained(Path(transfer.base_model_checkpoint))


def _check_same(config: TrainConfig) -> None:
    """Raise ConfigError if the folder holds a run with other settings."""
    before = config.directory / "config.yaml"
    if not before.is_file() or not (config.directory / "checkpoint").is_dir():
        return
    free = {"callbacks", "progress_bar", "ckpt_interval"}
    old, new = (c.model_dump(exclude=free) for c in (read_config(before, TrainConfig), config))
    changed = sorted(_differences(old, new))
    if changed:
        raise ConfigError(
            f"{config.directory} holds a run with other settings: {', '.join(changed)}; begin anew "
            f"with --fresh, or name another experiment"
        )


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [path]
    return [
        found
        for name in old.keys() | new.keys()
        for found in _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    ]


def _remove_results(directory: Path) -> None:
    """Remove what a run before has left, and nothing else."""
    for name in ("checkpoint", "best", "tensorboard"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("config.yaml", "split.json", "log.csv", "summary.json", "mlflow_run.txt"):
        (directory / name).unlink(missing_ok=True)


def _summary(
    config: TrainConfig, result: "FitResult", sizes: tuple[int, int], started: float
) -> TrainSummary:
    import jax

    best: Any = result.history[result.best_epoch - 1]
    return TrainSummary(
        model=str(config.directory / "best"),
        n_train=sizes[0],
        n_valid=sizes[1],
        n_parameters=sum(leaf.size for leaf in jax.tree.leaves(result.params["weights"])),
        n_epochs=len(result.history),
        best_epoch=result.best_epoch,
        n_compilations=result.n_compilations,
        n_shapes=len(result.shapes),
        seconds=time.monotonic() - started,
        metrics=best.row(),
    )
