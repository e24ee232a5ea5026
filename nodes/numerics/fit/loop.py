"""fit(): from labelled structures to parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nodes.numerics.fit.baseline import set_baseline
from nodes.numerics.fit.checkpoint import Progress, read_progress, write_progress
from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.epoch import (
    EpochMetrics,
    EpochProgram,
    Rates,
    initial_state,
    metrics_of,
    run_epoch,
)
from nodes.numerics.fit.packing import Dataset, label, pack
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import array_digest, flatten
from nodes.numerics.structures import Structure

__all__ = ["FitResult", "fit"]


@dataclass(frozen=True)
class FitResult:
    """Outcome of a fit.

    Attributes
    ----------
    params : Params
        The averaged weights of the best epoch: exactly those that gave its validation metrics.
    history : tuple of EpochMetrics
        One entry per epoch.
    best_epoch : int
        Epoch of the lowest validation loss, counted from 1; the last epoch without validation.
    """

    params: Params
    history: tuple[EpochMetrics, ...]
    best_epoch: int


def fit(
    model: EnergyModel,
    train: Sequence[Structure],
    valid: Sequence[Structure],
    config: FitConfig,
    *,
    initial: Params | None = None,
    checkpoint_dir: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> FitResult:
    """Train a model.

    Parameters
    ----------
    model : EnergyModel
    train, valid : sequence of Structure
        ``valid`` may be empty. Structures may differ in size and lack a label.
    config : FitConfig
    initial : Params, optional
        Go on from these parameters; their reference energies and feature statistics are kept.
        By default random, with the baseline of `baseline.set_baseline`.
    checkpoint_dir : Path, optional
        Written every ``config.checkpoint_interval`` epochs. A fit that finds its own checkpoint
        there goes on from it and ends with the same bits as one that was never interrupted.
    on_epoch : callable, optional
        Called with the metrics of each epoch that is run.

    Raises
    ------
    ValueError
        If there is nothing to learn from, the loss does not suit the model, or the checkpoint
        belongs to another fit.
    FloatingPointError
        If the loss becomes NaN or infinite.
    """
    check_backend()
    _check(model, train, config)
    graphs = pack(train, model.config)
    init_key, order_key = jax.random.split(jax.random.key(config.seed))
    if initial is None:
        initial = set_baseline(model, model.init(init_key), train, graphs)
    constants = initial["constants"]
    train_data = label(graphs, train, constants["reference"])
    valid_data = label(pack(valid, model.config), valid, constants["reference"]) if valid else None
    start = Progress(initial_state(initial["weights"]), jax.device_get(initial["weights"]), 0, ())
    fingerprint = _fingerprint(model, config, initial, train_data, valid_data)
    progress = None
    if checkpoint_dir is not None:
        progress = read_progress(checkpoint_dir, start, fingerprint)
    progress = progress or start

    program, rates = EpochProgram.of(model, config), Rates.of(config, len(train))
    device_constants = {name: v for name, v in constants.items() if name != "reference"}
    while not _finished(progress, config):
        epoch = len(progress.history) + 1
        key = jax.random.fold_in(order_key, epoch)
        state, *sums = run_epoch(
            program, rates, progress.state, device_constants, key, train_data, valid_data
        )
        metrics = metrics_of(rates, epoch, *jax.device_get(sums))
        progress = _advance(progress, state, metrics)
        if checkpoint_dir is not None and (
            epoch % config.checkpoint_interval == 0 or _finished(progress, config)
        ):
            write_progress(checkpoint_dir, progress, fingerprint)
        if on_epoch is not None:
            on_epoch(metrics)
    weights = jax.tree.map(jax.numpy.asarray, progress.best)
    params = {"weights": weights, "constants": constants}
    return FitResult(params, progress.history, progress.best_epoch)


def _check(model: EnergyModel, train: Sequence[Structure], config: FitConfig) -> None:
    if not any(s.energy is not None or s.forces is not None for s in train):
        raise ValueError(
            f"train must hold at least one structure with energy or forces, received {len(train)} "
            f"structures without"
        )
    probabilistic = {config.loss, config.forces_loss} & {"crps", "nll"}
    if probabilistic and model.config.n_members < 2:
        raise ValueError(
            f"loss must be 'mse' or 'huber' for a model with one member, received "
            f"{sorted(probabilistic)}; or give the model more members"
        )


def _advance(progress: Progress, state: Any, metrics: EpochMetrics) -> Progress:
    """Progress after one more epoch; the best epoch is the one of lowest validation loss."""
    loss = metrics.train_loss if metrics.valid_loss is None else metrics.valid_loss
    if not np.isfinite(loss) or not np.isfinite(metrics.train_loss):
        raise FloatingPointError(
            f"the loss must stay finite, received {loss} in epoch {metrics.epoch}; lower "
            f"learning_rate or look for outliers in the labels"
        )
    history = (*progress.history, metrics)
    best_loss = (
        progress.history[progress.best_epoch - 1].valid_loss if progress.best_epoch else None
    )
    if metrics.valid_loss is None or best_loss is None or metrics.valid_loss < best_loss:
        return Progress(state, jax.device_get(state.average), metrics.epoch, history)
    return Progress(state, progress.best, progress.best_epoch, history)


def _finished(progress: Progress, config: FitConfig) -> bool:
    epoch = len(progress.history)
    patient = config.patience is None or epoch - progress.best_epoch < config.patience
    return epoch >= config.n_epochs or not patient


def _fingerprint(
    model: EnergyModel,
    config: FitConfig,
    initial: Params,
    train: Dataset,
    valid: Dataset | None,
) -> str:
    """Digest of all that determines the outcome."""
    settings = asdict(config) | {"checkpoint_interval": None}
    digest = hashlib.sha256(f"{model.config} {sorted(settings.items())}".encode())
    for tree in (initial, train, valid):
        digest.update(array_digest(flatten(tree)).encode())
    return digest.hexdigest()
