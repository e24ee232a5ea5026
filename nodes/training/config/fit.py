"""Settings of losses, optimizers, schedules, averages and transfer learning."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from nodes.schema.section import Section

__all__ = [
    "LossConfig", "MetricConfig", "OptimizerConfig", "Schedule", "TransferConfig",
    "WeightAverageConfig",
]  # fmt: skip

LossType = Literal[
    "mse", "huber", "crps", "nll", "nll_3x3", "cosine_sim", "cosine_sim_div_magnitude",
    "cosine_sim_exp_magnitude", "tril",
]  # fmt: skip
Reduction = Literal[
    "mae", "mse", "rmse", "cosine_sim", "per_atom_mae", "per_atom_mse", "per_atom_rmse"
]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class LossParameters(Section):
    """Parameters of a kind of loss."""

    delta: PositiveFloat | None = None
    """Where huber turns from quadratic to linear, in the unit of the value; 0.1 if not given."""


class LossConfig(Section):
    """One term: weight * mean over structures of (sum of the loss) / n_atoms^atoms_exponent."""

    name: str
    """energy, forces, stress, or the name of a property head."""
    loss_type: LossType = "mse"
    """Of a single value; crps, nll and nll_3x3 score the spread of an ensemble as well."""
    weight: NonNegativeFloat = 1.0
    """Factor of this term."""
    atoms_exponent: NonNegativeFloat = 1.0
    """What power of the number of atoms a structure's loss is divided by."""
    parameters: LossParameters = LossParameters()
    """Parameters of the kind of loss."""

    @model_validator(mode="after")
    def _check_parameters(self) -> "LossConfig":
        if self.parameters.delta is not None and self.loss_type != "huber":
            raise ValueError(f"delta must be given for huber only, received {self.loss_type}")
        return self


class MetricConfig(Section):
    """Errors of one quantity."""

    name: str
    """energy, forces, stress, or the name of a property head."""
    reductions: tuple[Reduction, ...] = Field(min_length=1)
    """What to make of the differences, over all structures or components alike; per atom of
    energies only, cosine_sim (1 - cosine of the angle) of forces only."""

    @model_validator(mode="after")
    def _check_reductions(self) -> "MetricConfig":
        for reduction in self.reductions:
            if reduction.startswith("per_atom") and self.name != "energy":
                raise ValueError(f"{reduction} must be of energy, received {self.name}")
            if reduction == "cosine_sim" and self.name != "forces":
                raise ValueError(f"cosine_sim must be of forces, received {self.name}")
        return self


class ConstantSchedule(Section):
    """The learning rate stays."""

    name: Literal["constant"]
    """The learning rate stays."""


class LinearSchedule(Section):
    """Down in a straight line."""

    name: Literal["linear"] = "linear"
    """Down in a straight line."""
    transition_begin: NonNegativeInt = 0
    """Steps before that."""
    end_value: NonNegativeFloat = 1e-6
    """Learning rate at the end."""


class CyclicCosineSchedule(Section):
    """Half cosines, again and again from a lower peak."""

    name: Literal["cyclic_cosine"]
    """Half cosines, again and again from a lower peak."""
    period: PositiveInt = 40
    """Epochs of one cycle."""
    decay_factor: NonNegativeFloat = 0.93
    """Factor on the peak from one cycle to the next."""


class WarmupCosineSchedule(Section):
    """Up in a straight line, then half a cosine down."""

    name: Literal["warmup_cosine"]
    """Up in a straight line, then half a cosine down."""
    warm_up: float = Field(default=0.02, ge=0.0, lt=1.0)
    """Share of all steps that the way up takes."""
    end_factor: Share = 0.0
    """Rate at the end as a share of the peak."""


class PlateauSchedule(Section):
    """Lowered when the validation loss has stopped to fall."""

    name: Literal["plateau"]
    """Lowered when the validation loss has stopped to fall."""
    patience: PositiveInt = 10
    """Epochs without a lower loss before that."""
    decay_factor: float = Field(default=0.5, gt=0.0, le=1.0)
    """Factor on all rates each time."""
    min_delta: NonNegativeFloat = 0.0
    """A loss counts as lower if it is lower by more than this."""
    min_factor: float = Field(default=1e-4, gt=0.0, le=1.0)
    """The factors together never fall below this."""


Schedule = Annotated[
    LinearSchedule
    | CyclicCosineSchedule
    | WarmupCosineSchedule
    | PlateauSchedule
    | ConstantSchedule,
    Field(discriminator="name"),
]


class OptimizerConfig(Section):
    """How weights follow from gradients. A learning rate of at most 1e-7 freezes its parameters."""

    name: str = "adam"
    """Any optimizer of optax or optax.contrib that has a learning rate, or sam."""
    emb_lr: NonNegativeFloat = 1e-3
    """Learning rate of what depends on pairs of elements: radial coefficients, embeddings."""
    nn_lr: NonNegativeFloat = 1e-3
    """Learning rate of networks, and of all that has no other."""
    scale_lr: NonNegativeFloat = 1e-4
    """Learning rate of the scale of each element."""
    shift_lr: NonNegativeFloat = 3e-3
    """Learning rate of the shift of each element."""
    zbl_lr: NonNegativeFloat = 1e-4
    """Learning rate of the correction zbl."""
    rep_scale_lr: NonNegativeFloat = 1e-3
    """Learning rate of the lengths of the correction exponential."""
    rep_prefactor_lr: NonNegativeFloat = 1e-4
    """Learning rate of the strengths of the correction exponential."""
    gradient_clipping: NonNegativeFloat = 1000.0
    """Largest size of a component of the gradient; 0 for no limit."""
    max_norm: PositiveFloat | None = None
    """Longer gradients are shortened to this length; null for no limit."""
    schedule: Schedule = LinearSchedule()
    """How learning rates change."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the optimizer."""
    rates: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Learning rates of parameters by name or its beginning, such as {layers.0: 1.0e-4}."""
    freeze: tuple[str, ...] = ()
    """Parameters that stay as they are, by name or its beginning."""


class WeightAverageConfig(Section):
    """A moving average of the weights."""

    ema_start: NonNegativeInt = 0
    """Epochs before the average begins."""
    alpha: Share = 0.9
    """Share of the new weights after one epoch; the average is taken at every step. 1 for no
    average. In apax, 0.99 of the new weights survive an epoch at 0.9."""


class TransferConfig(Section):
    """Start from a trained model. Layers are names of parameters or the beginning of them."""

    base_model_checkpoint: str | None = None
    """Folder of the trained model, one of ours or of apax, or of the run that trained it."""
    reset_layers: tuple[str, ...] = ()
    """Parameters that start anew."""
    freeze_layers: tuple[str, ...] = ()
    """Parameters that stay as they are."""
    refit_shift: bool = False
    """Find the reference energies of all elements anew, not only of new ones."""
    refit_scale: bool = False
    """Find the scales of all elements anew, not only of new ones."""
