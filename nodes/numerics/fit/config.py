"""FitConfig: how to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nodes.numerics.fit.scale_shift import ForceRms, Regression, Scale, Shift
from nodes.numerics.fit.schedules import Schedule, WarmupCosine

__all__ = ["FitConfig", "Loss", "LossKind", "Optimizer", "Transfer"]

LossKind = Literal[
    "mse", "huber", "crps", "nll", "nll_3x3", "cosine_sim", "cosine_sim_div_magnitude",
    "cosine_sim_exp_magnitude", "tril",
]  # fmt: skip

_ANY = ("mse", "huber", "crps", "nll")
_KINDS = {
    "energy": _ANY,
    "forces": (
        *_ANY, "nll_3x3", "cosine_sim", "cosine_sim_div_magnitude", "cosine_sim_exp_magnitude",
    ),
    "stress": ("mse", "huber", "tril"),
}  # fmt: skip
_OF_ENSEMBLES = ("crps", "nll", "nll_3x3")


@dataclass(frozen=True)
class Loss:
    """One term of the loss.

    A term is ``weight * mean over structures of (sum over values of kind(value)) / N**e`` with N
    atoms and the ``atoms_exponent`` e. Values are the energy (eV), the force components
    (eV/Angstrom), the nine components of stress times volume (eV), or those of a property head.
    Structures without the label and padding never count.

    Parameters
    ----------
    name : str
        "energy", "forces", "stress", or the name of a property head.
    kind : str
        "mse" or "huber" of each value; "crps" or "nll", which score mean and spread of the
        ensemble; for forces also "nll_3x3" (of each atom's force vector, with the covariance of
        the members), "cosine_sim" (1 - cosine of the angle between the vectors),
        "cosine_sim_div_magnitude" and "cosine_sim_exp_magnitude" (the same divided by the size of
        the reference, or times exp(-size)); for stress also "tril" (mse of six components).
        "crps", "nll" and "nll_3x3" of forces need the forces of each member, which costs more.
    weight, atoms_exponent : float
    delta : float
        Where "huber" turns from quadratic to linear, in the unit of the value.
    """

    name: str
    kind: LossKind = "mse"
    weight: float = 1.0
    atoms_exponent: float = 1.0
    delta: float = 0.1

    def __post_init__(self) -> None:
        kinds = _KINDS.get(self.name, _ANY)
        if self.kind not in kinds:
            raise ValueError(
                f"kind of {self.name!r} must be one of {kinds}, received {self.kind!r}"
            )
        if self.weight < 0.0:
            raise ValueError(f"weight must not be negative, received {self.weight}")
        if not self.delta > 0.0:
            raise ValueError(f"delta must be positive, received {self.delta}")

    @property
    def of_ensemble(self) -> bool:
        """Whether it scores the spread of the members."""
        return self.kind in _OF_ENSEMBLES


@dataclass(frozen=True)
class Optimizer:
    """How weights follow from gradients.

    Parameters are named by their place, for instance ``representation.radial``, ``layers.0.w``,
    ``scale``, ``shift``, ``corrections.zbl.prefactor``, ``heads.charge.layers.0.w``. A pattern is
    the beginning of names up to a dot ("layers.0") and may have the wildcards of file names
    ("*.w"); see `parameters.parameter_names`.

    Parameters
    ----------
    name : str
        Of a function of optax or optax.contrib with a learning rate; or "sam", which is
        sharpness-aware minimisation with Adam.
    kwargs : mapping
        Its further arguments.
    learning_rate : float
        Peak of the schedule.
    rates : mapping of str to float
        Peaks for parameters of a pattern; the longest pattern that fits counts. At most 1e-7
        freezes them. A pattern that fits no parameter of the model has no effect.
    freeze : tuple of str
        Patterns of parameters that stay as they are.
    schedule : Schedule
        `Constant`, `Linear`, `CyclicCosine`, `WarmupCosine` or `Plateau`.
    max_norm : float, optional
        Longer gradients are shortened to this length (over all parameters).
    max_value : float, optional
        Components of the gradient are clipped to this size, before ``max_norm``.
    """

    name: str = "adam"
    kwargs: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()
    learning_rate: float = 3e-3
    rates: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    freeze: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=WarmupCosine)
    max_norm: float | None = 10.0
    max_value: float | None = None

    def __post_init__(self) -> None:
        for name in ("kwargs", "rates"):
            object.__setattr__(self, name, _pairs(getattr(self, name)))
        object.__setattr__(self, "freeze", tuple(self.freeze))
        if self.learning_rate < 0.0 or any(rate < 0.0 for _, rate in _pairs(self.rates)):
            raise ValueError(
                f"learning rates must not be negative, received "
                f"learning_rate={self.learning_rate}, rates={dict(self.rates)}"
            )
        for name in ("max_norm", "max_value"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ValueError(f"{name} must be positive or None, received {value}")


@dataclass(frozen=True)
class Transfer:
    """What to take from the initial model. Patterns are those of `Optimizer`.

    Parameters
    ----------
    load : tuple of str
        Parameters to copy. Those of the same shape are copied whole; where parameters differ only
        because the elements do, the entries of common elements are copied.
    reset : tuple of str
        Parameters that nevertheless start anew.
    refit_shift : bool
        Regress the reference energies anew, on what the energies of the initial model leave over.
        By default only those of new elements are.
    refit_scale : bool
        Compute the scales of all elements anew and not only those of new ones.
    """

    load: tuple[str, ...] = ("*",)
    reset: tuple[str, ...] = ()
    refit_shift: bool = False
    refit_scale: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "load", tuple(self.load))
        object.__setattr__(self, "reset", tuple(self.reset))


@dataclass(frozen=True)
class FitConfig:
    """How to train a model.

    Parameters
    ----------
    n_epochs, batch_size : int
    valid_batch_size : int, optional
        By default ``batch_size``.
    losses : tuple of Loss
        Their sum is the loss.
    optimizer : Optimizer
        By default Adam with b2 = 0.99, which follows changes of scale faster than 0.999.
    shift : Shift
        How reference energies are found: `Regression`, `ElementEnergies` or `MeanAtomEnergy`.
    scale : Scale
        How scales are found: `ForceRms`, `EnergyRms`, `GlobalScale` or `ElementScales`.
    transfer : Transfer
        What to take from an initial model, if there is one.
    ema : float
        Decay per step of the moving average of the weights, 0 for none. The average is what is
        validated and what is returned.
    ema_start_epoch : int
        Epochs before the average begins; until then it is equal to the weights.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    min_delta : float
        A loss counts as lower, for ``patience``, if it is lower by more than this.
    normalise_features : bool
        Bring the features of the training set to zero mean and one scale before the readout;
        learning is much faster this way.
    max_shapes : int
        Structures of different sizes are padded to at most so many shapes; each takes time to
        compile and saves computing time.
    resident_gib : float, optional
        Keep the data on the device up to this size in GiB, stream them from the host beyond; by
        default half of the device's memory.
    n_devices : int, optional
        Devices that share each batch, by default the largest number that divides it.
    seed : int
        For the initial weights and the order of structures.
    checkpoint_interval : int
        Epochs between checkpoints.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    n_epochs: int = 200
    batch_size: int = 8
    valid_batch_size: int | None = None
    losses: tuple[Loss, ...] = (Loss("energy", "crps"), Loss("forces", "huber", weight=1.0 / 3.0))
    optimizer: Optimizer = field(default_factory=lambda: Optimizer(kwargs={"b2": 0.99}))
    shift: Shift = field(default_factory=Regression)
    scale: Scale = field(default_factory=ForceRms)
    transfer: Transfer = field(default_factory=Transfer)
    ema: float = 0.99
    ema_start_epoch: int = 0
    patience: int | None = None
    min_delta: float = 0.0
    normalise_features: bool = True
    max_shapes: int = 3
    resident_gib: float | None = None
    n_devices: int | None = None
    seed: int = 0
    checkpoint_interval: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "losses", tuple(self.losses))
        for name in (
            "n_epochs", "batch_size", "valid_batch_size", "patience", "max_shapes", "n_devices",
            "checkpoint_interval",
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, received {value}")
        for name in ("ema_start_epoch", "min_delta"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, received {getattr(self, name)}")
        if not 0.0 <= self.ema < 1.0:
            raise ValueError(f"ema must be at least 0 and less than 1, received {self.ema}")
        if not any(loss.weight > 0.0 for loss in self.losses):
            raise ValueError(
                f"losses must hold at least one with a positive weight, received {self.losses}"
            )
        pairs = [(loss.name, loss.kind) for loss in self.losses]
        if len(set(pairs)) < len(pairs):
            raise ValueError(f"losses must differ in name or kind, received {pairs}")

    @property
    def needs_members(self) -> bool:
        """Whether the loss looks at the forces of each member."""
        return any(
            loss.name == "forces" and loss.of_ensemble and loss.weight > 0.0 for loss in self.losses
        )


def _pairs(values: Mapping[str, Any] | tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    pairs = values.items() if isinstance(values, Mapping) else values
    return tuple(sorted((str(name), value) for name, value in pairs))
