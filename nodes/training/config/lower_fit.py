"""From a config to FitConfig."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ase.data import atomic_numbers

from nodes.training.config.data import DataConfig
from nodes.training.config.fit import Schedule, TransferConfig
from nodes.training.config.train import TrainConfig
from nodes.training.units import energy_in_ev

if TYPE_CHECKING:
    from nodes.numerics.fit import FitConfig
    from nodes.numerics.fit.config import Loss, Optimizer
    from nodes.numerics.fit.scale_shift import Scale, Shift

__all__ = ["lower_fit", "per_step_decay"]

_SHAPES_OF_PBP = 8
_APAX_LAYERS = {
    "scale_shift": ("scale", "shift"),
    "radial_fn": ("representation",),
    "descriptor": ("representation",),
    "representation": ("representation",),
    "atomic_type_embedding": ("representation",),
}
"""What layers of apax are called here; ``dense_2`` is ``layers.2``."""


def lower_fit(config: TrainConfig, n_train: int) -> "FitConfig":
    """Return how to train.

    Parameters
    ----------
    config : TrainConfig
    n_train : int
        Structures to train on, which fix how many steps an epoch has.
    """
    from nodes.numerics.fit import FitConfig

    average = config.weight_average
    n_steps = -(-n_train // config.data.batch_size)
    return FitConfig(
        n_epochs=config.n_epochs,
        batch_size=config.data.batch_size,
        valid_batch_size=config.data.valid_batch_size,
        losses=tuple(_loss(term) for term in config.loss),
        optimizer=_optimizer(config),
        shift=_shift(config.data),
        scale=_scale(config.data),
        transfer=_transfer(config.transfer_learning or TransferConfig()),
        ema=0.0 if average is None else per_step_decay(average.alpha, n_steps),
        ema_start_epoch=0 if average is None else average.ema_start,
        normalise_features=config.normalise_features,
        patience=config.patience,
        min_delta=config.patience_min_delta,
        n_devices=None if config.data_parallel else 1,
        seed=config.seed,
        checkpoint_interval=config.ckpt_interval,
        **_storage(config.data),
    )


def per_step_decay(alpha: float, steps_per_epoch: int) -> float:
    """Return the decay per step of an average that takes over the share `alpha` in an epoch."""
    return (1.0 - alpha) ** (1.0 / steps_per_epoch)


def _loss(term: Any) -> "Loss":
    from nodes.numerics.fit.config import Loss

    delta = term.parameters.delta
    given = {} if delta is None else {"delta": delta}
    return Loss(
        term.name, term.loss_type, weight=term.weight, atoms_exponent=term.atoms_exponent, **given
    )


def _optimizer(whole: TrainConfig) -> "Optimizer":
    from nodes.numerics.fit.config import Optimizer

    config, transfer = whole.optimizer, whole.transfer_learning
    of_pairs = "representation" if whole.model.name == "gmnn" else "representation.embedding"
    rates = {
        of_pairs: config.emb_lr,
        "scale": config.scale_lr,
        "shift": config.shift_lr,
        "corrections.zbl": config.zbl_lr,
        "corrections.exponential": config.rep_scale_lr,
        "corrections.exponential.strength": config.rep_prefactor_lr,
    }
    frozen = () if transfer is None else _layers(transfer.freeze_layers)
    return Optimizer(
        name=config.name,
        kwargs=config.kwargs,
        learning_rate=config.nn_lr,
        rates=rates | config.rates,
        freeze=(*config.freeze, *frozen),
        schedule=_schedule(config.schedule),
        max_norm=config.max_norm,
        max_value=config.gradient_clipping or None,
    )


def _schedule(config: Schedule) -> Any:
    from nodes.numerics.fit import schedules

    kinds = {
        "constant": schedules.Constant,
        "linear": schedules.Linear,
        "cyclic_cosine": schedules.CyclicCosine,
        "warmup_cosine": schedules.WarmupCosine,
        "plateau": schedules.Plateau,
    }
    return kinds[config.name](**config.model_dump(exclude={"name"}))


def _shift(data: DataConfig) -> "Shift":
    from nodes.numerics.fit.scale_shift import ElementEnergies, MeanAtomEnergy, Regression

    options = data.shift_options
    if data.shift_method == "per_element_regression_shift":
        ridge = options.energy_regularisation
        return Regression(1.0 if ridge is None else ridge)
    if data.shift_method == "mean_atom_energy_shift":
        return MeanAtomEnergy()
    unit = energy_in_ev(data.energy_unit)
    given = _by_number(options.E0s or {})
    return ElementEnergies({number: unit * value for number, value in given.items()})


def _scale(data: DataConfig) -> "Scale":
    from nodes.numerics.fit.scale_shift import ElementScales, EnergyRms, ForceRms, GlobalScale

    options = data.scale_options
    if data.scale_method == "global_custom_scale":
        return GlobalScale(options.factor or 1.0)
    if data.scale_method == "per_element_custom_scale":
        return ElementScales(_by_number(options.factors or {}))
    return ForceRms() if data.scale_method == "per_element_force_rms_scale" else EnergyRms()


def _transfer(config: TransferConfig) -> Any:
    from nodes.numerics.fit.config import Transfer

    return Transfer(
        reset=_layers(config.reset_layers),
        refit_shift=config.refit_shift,
        refit_scale=config.refit_scale,
    )


def _layers(names: Iterable[str]) -> tuple[str, ...]:
    """Return patterns of our parameters for layers, which may have apax's names."""
    patterns: list[str] = []
    for name in names:
        if name.startswith("dense_"):
            patterns.append(f"layers.{name.removeprefix('dense_')}")
        else:
            patterns += _APAX_LAYERS.get(name, (name,))
    return tuple(patterns)


def _storage(data: DataConfig) -> dict[str, Any]:
    """Return how many shapes structures are padded to, and what stays on the device."""
    dataset = data.dataset
    if dataset.processing == "packed":
        return {"max_shapes": dataset.max_shapes, "resident_gib": dataset.resident_gib}
    if dataset.processing == "pbp":
        return {"max_shapes": _SHAPES_OF_PBP}
    return {"max_shapes": 1} | ({"resident_gib": 0.0} if dataset.processing == "otf" else {})


def _by_number(values: dict[int | str, float]) -> dict[int, float]:
    numbers = {key: atomic_numbers[key] if isinstance(key, str) else key for key in values}
    return {numbers[key]: value for key, value in values.items()}
