"""fit(): from labelled structures to parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.fit.baseline import normalise_features, set_scale_shift
from nodes.numerics.fit.checkpoint import Progress, read_progress, write_progress
from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.epoch import FitState, compilations, initial_state
from nodes.numerics.fit.metrics import EpochMetrics
from nodes.numerics.fit.packing import Dataset, pack
from nodes.numerics.fit.placement import place
from nodes.numerics.fit.runner import Runner
from nodes.numerics.fit.transfer import transfer
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import array_digest, flatten
from nodes.numerics.structures import Structure

__all__ = ["FitResult", "Initial", "fit"]

Initial = Params | tuple[EnergyModel, Params]


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
    shapes : tuple of (n_atoms, capacity)
        To which the structures of training were padded.
    n_compilations : int
        Programs that were compiled for training and validation; earlier fits of the same shapes
        and settings save them.
    """

    params: Params
    history: tuple[EpochMetrics, ...]
    best_epoch: int
    shapes: tuple[tuple[int, ...], ...] = ()
    n_compilations: int = 0


def fit(
    model: EnergyModel,
    train: Sequence[Structure],
    valid: Sequence[Structure],
    config: FitConfig,
    *,
    initial: Initial | None = None,
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
    initial : Params or (EnergyModel, Params), optional
        Parameters of this model to go on from, as they are; or another model, of which
        ``config.transfer`` says what to take. By default random weights, with reference energies,
        scales and feature statistics of ``train``.
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
    with model.scope():
        before = compilations()
        params, data = _start(model, train, config, initial)
        held_out: tuple[Dataset, ...] = ()
        if valid:
            held_out = pack(
                model, valid, params["constants"]["reference"], max_shapes=config.max_shapes,
                batch_size=config.valid_batch_size or config.batch_size,
            )  # fmt: skip
        runner = Runner.of(model, config, params, data, held_out)
        state = initial_state(runner.program, params["weights"])
        progress = Progress(state, jax.device_get(params["weights"]), 0, ())
        fingerprint = _fingerprint(model, config, params, data, held_out)
        if checkpoint_dir is not None:
            progress = read_progress(checkpoint_dir, progress, fingerprint) or progress
            progress = progress._replace(state=place(progress.state, runner.mesh))
        while not _finished(progress, config):
            progress = _advance(progress, *runner.epoch(progress.state, progress.history))
            metrics = progress.history[-1]
            if checkpoint_dir is not None and (
                metrics.epoch % config.checkpoint_interval == 0 or _finished(progress, config)
            ):
                write_progress(checkpoint_dir, progress, fingerprint)
            if on_epoch is not None:
                on_epoch(metrics)
        weights = jax.tree.map(jnp.asarray, progress.best)
        return FitResult(
            {"weights": weights, "constants": params["constants"]},
            progress.history,
            progress.best_epoch,
            tuple(dataset.graph.vectors.shape[1:3] for dataset in data),
            compilations() - before,
        )


def _check(model: EnergyModel, train: Sequence[Structure], config: FitConfig) -> None:
    """Raise ValueError if the losses ask for what model or labels do not have."""
    heads = [head.name for head in model.config.heads]
    labels = {
        "energy": lambda s: s.energy is not None,
        "forces": lambda s: s.forces is not None,
        "stress": lambda s: s.stress is not None and s.volume is not None,
    } | {name: lambda s, name=name: name in s.properties for name in heads}
    for loss in config.losses:
        if loss.name not in labels:
            raise ValueError(f"losses must name one of {list(labels)}, received {loss.name!r}")
        if loss.of_ensemble and loss.name not in heads and model.config.n_members < 2:
            raise ValueError(
                f"loss must be 'mse' or 'huber' for a model with one member, received "
                f"{loss.kind!r} for {loss.name!r}; or give the model more members"
            )
    wanted = [loss.name for loss in config.losses if loss.weight > 0.0]
    if not any(labels[name](s) for name in wanted for s in train):
        raise ValueError(
            f"train must hold at least one structure with {' or '.join(wanted)}, received "
            f"{len(train)} structures without"
        )


def _start(
    model: EnergyModel, train: Sequence[Structure], config: FitConfig, initial: Initial | None
) -> tuple[Params, tuple[Dataset, ...]]:
    """Parameters before the first step, and the structures to train on."""
    shapes = {"max_shapes": config.max_shapes, "batch_size": config.batch_size}
    if isinstance(initial, dict):
        return initial, pack(model, train, initial["constants"]["reference"], **shapes)
    params = model.init(jax.random.key(config.seed))
    params = set_scale_shift(model, params, train, config.shift, config.scale)
    keep_statistics = False
    if initial is not None:
        params, keep_statistics = transfer(model, params, *initial, train, config)
    data = pack(model, train, params["constants"]["reference"], **shapes)
    if config.normalise_features and not keep_statistics:
        params = normalise_features(model, params, data)
    return params, data


def _advance(progress: Progress, state: FitState, metrics: EpochMetrics) -> Progress:
    """Progress after one more epoch; the best epoch is the one of lowest validation loss."""
    loss = metrics.train_loss if metrics.valid_loss is None else metrics.valid_loss
    if not np.isfinite(loss) or not np.isfinite(metrics.train_loss):
        raise FloatingPointError(
            f"the loss must stay finite, received {loss} in epoch {metrics.epoch}; lower "
            f"learning_rate or look for outliers in the labels"
        )
    history = (*progress.history, metrics)
    best_loss = None
    if progress.best_epoch:
        best_loss = progress.history[progress.best_epoch - 1].valid_loss
    if metrics.valid_loss is None or best_loss is None or metrics.valid_loss < best_loss:
        return Progress(state, jax.device_get(state.average), metrics.epoch, history)
    return progress._replace(state=state, history=history)


def _finished(progress: Progress, config: FitConfig) -> bool:
    """Whether all epochs are done, or the validation loss has not fallen for long."""
    if len(progress.history) >= config.n_epochs or config.patience is None:
        return len(progress.history) >= config.n_epochs
    lowest, waited = np.inf, 0
    for metrics in progress.history:
        loss = metrics.valid_loss
        improved = loss is None or loss < lowest - config.min_delta
        lowest, waited = (loss or 0.0, 0) if improved else (lowest, waited + 1)
    return waited >= config.patience


def _fingerprint(
    model: EnergyModel,
    config: FitConfig,
    params: Params,
    train: Sequence[Dataset],
    valid: Sequence[Dataset],
) -> str:
    """Digest of all that determines the outcome."""
    settings = asdict(replace(config, checkpoint_interval=1, resident_gib=None))
    named = [
        type(part).__name__ for part in (config.shift, config.scale, config.optimizer.schedule)
    ]
    digest = hashlib.sha256(f"{model.config} {named} {sorted(settings.items())}".encode())
    for tree in (params, tuple(train), tuple(valid)):
        digest.update(array_digest(flatten(tree)).encode())
    return digest.hexdigest()
