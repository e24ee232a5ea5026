"""How to train, as specs for `TrainPotential`.

Each class stands for the one of the same name and the same fields in ``nodes.numerics.fit``,
where their meaning is told at length; here they can be named without starting JAX.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Constant", "CyclicCosine", "ElementEnergies", "ElementScales", "EnergyRms", "ForceRms",
    "GlobalScale", "Linear", "Loss", "MeanAtomEnergy", "Optimizer", "Plateau", "Regression",
    "Scale", "Schedule", "Shift", "Transfer", "WarmupCosine", "lowered",
]  # fmt: skip

LossKind = Literal[
    "mse", "huber", "crps", "nll", "nll_3x3", "cosine_sim", "cosine_sim_div_magnitude",
    "cosine_sim_exp_magnitude", "tril",
]  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """One term: ``weight * mean over structures of (sum over values) / n_atoms**atoms_exponent``.

    Parameters
    ----------
    name : "energy", "forces", "stress" (times volume), or a property head
    kind : loss of a value; of a vector for "nll_3x3" and the cosines of forces
    weight, atoms_exponent : see above
    delta : where "huber" turns from quadratic to linear
    """

    name: str
    kind: LossKind = "mse"
    weight: float = 1.0
    atoms_exponent: float = 1.0
    delta: float = 0.1


@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout."""


@dataclass(frozen=True)
class Linear:
    """Down in a straight line to `end_value`, after `transition_begin` steps."""

    transition_begin: int = 0
    end_value: float = 1e-6


@dataclass(frozen=True)
class CyclicCosine:
    """Half a cosine down in `period` epochs, again and again from a peak lower by a factor."""

    period: int = 40
    decay_factor: float = 0.93


@dataclass(frozen=True)
class WarmupCosine:
    """Up during a share of all steps, then half a cosine down to a share of the peak."""

    warm_up: float = 0.02
    end_factor: float = 0.0


@dataclass(frozen=True)
class Plateau:
    """Lowered after `patience` epochs without a validation loss that is lower by `min_delta`."""

    patience: int = 10
    decay_factor: float = 0.5
    min_delta: float = 0.0
    min_factor: float = 1e-4


Schedule = Constant | Linear | CyclicCosine | WarmupCosine | Plateau


@dataclass(frozen=True)
class Optimizer:
    """How weights follow from gradients.

    Patterns are names of parameters or their beginning up to a dot: "representation", "layers.0",
    "scale", "shift", "corrections.zbl", "heads"; ``*`` stands for any text.

    Parameters
    ----------
    name : of an optimizer of optax, or "sam"
    kwargs : its settings
    learning_rate : peak of the schedule
    rates : peaks for patterns of parameters
    freeze : patterns of parameters that stay
    schedule : Constant, Linear, CyclicCosine, WarmupCosine or Plateau
    max_norm : longer gradients are shortened
    max_value : components of the gradient are clipped
    """

    name: str = "adam"
    kwargs: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 3e-3
    rates: dict[str, float] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=WarmupCosine)
    max_norm: float | None = 10.0
    max_value: float | None = None


@dataclass(frozen=True)
class Regression:
    """Reference energies by regression on the composition, with a ridge."""

    regularisation: float = 0.0


@dataclass(frozen=True)
class MeanAtomEnergy:
    """The mean energy per atom as reference energy of every element."""


@dataclass(frozen=True)
class ElementEnergies:
    """Given reference energies, of isolated atoms for instance: atomic number to eV."""

    energies: dict[int, float] = field(default_factory=dict)


Shift = Regression | MeanAtomEnergy | ElementEnergies


@dataclass(frozen=True)
class ForceRms:
    """Root mean square force component of each element as its scale."""


@dataclass(frozen=True)
class EnergyRms:
    """Root mean square deviation of energies per atom as scale of all elements."""


@dataclass(frozen=True)
class GlobalScale:
    """A given scale of all elements."""

    factor: float = 1.0


@dataclass(frozen=True)
class ElementScales:
    """Given scales: atomic number to factor."""

    factors: dict[int, float] = field(default_factory=dict)


Scale = ForceRms | EnergyRms | GlobalScale | ElementScales


@dataclass(frozen=True)
class Transfer:
    """What to take from the initial model. Patterns are those of `Optimizer`.

    Parameters
    ----------
    load : patterns of parameters to copy
    reset : patterns of parameters that nevertheless start anew
    refit_shift : find the reference energies of all elements anew, not only of new ones
    refit_scale : find the scales of all elements anew, not only of new ones
    """

    load: tuple[str, ...] = ("*",)
    reset: tuple[str, ...] = ()
    refit_shift: bool = False
    refit_scale: bool = False


def lowered(spec: Any) -> Any:
    """Return the object of ``nodes.numerics.fit`` that a spec stands for."""
    from nodes.numerics import fit

    values = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    if isinstance(spec, Optimizer):
        values["schedule"] = lowered(spec.schedule)
    return getattr(fit, type(spec).__name__)(**values)
