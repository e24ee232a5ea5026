"""Train a neural network potential."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ase import Atoms
from ase.data import atomic_numbers
from pydantic import TypeAdapter

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.extras import require
from nodes.interfaces import HasEnergyModel
from nodes.training.config.lower_model import lower_model
from nodes.training.config.model import Model
from nodes.training.settings import (
    ForceRms,
    Loss,
    Optimizer,
    Regression,
    Scale,
    Shift,
    Transfer,
    lowered,
)
from nodes.training.trained import TrainedModel

if TYPE_CHECKING:
    import pandas as pd

    from nodes.numerics.fit import FitConfig
    from nodes.numerics.potentials import EnergyModel, ModelConfig, Params
    from nodes.numerics.structures import Structure

_FIT_SETTINGS = (
    "n_epochs", "batch_size", "ema", "ema_start_epoch", "patience", "min_delta", "max_shapes",
    "normalise_features",
    "seed",
)  # fmt: skip

LossName = Literal["crps", "nll", "mse", "huber"]


class TrainPotential(TrainedModel, zn.Node):
    """Fit a neural network potential to energies, forces and further labels.

    By default a Gaussian-moment network with an ensemble of last layers. A run that was killed
    goes on from its last checkpoint and ends with the same model.

    Parameters
    ----------
    train_frames : structures with energy (eV) and forces (eV/Angstrom); labels of property heads
        are ``info`` or ``arrays`` of their name
    valid_frames : other such structures; the epoch of the lowest loss on them is kept
    initial_model : a node with a trained model to go on from instead of random weights; the new
        model knows its elements, too
    transfer : a Transfer, what to take from `initial_model`
    elements : symbols of elements to have in the model beside those of the frames, for later use
    cutoff_angstrom : radius of the neighbourhood that an atom sees
    n_basis, n_radial : radial basis functions, learned radial functions per pair of elements
    n_contractions : how many of the eight families of invariants are used
    hidden : widths of the hidden layers
    n_members : size of the ensemble; 1 for none, with losses "mse" or "huber"
    zbl : add the screened repulsion of nuclei at short distances
    ensemble : members share all but the last layer ("shallow") or nothing ("full")
    precision : float type of the model
    model : the section ``model`` of the file of ``znp train`` (equivariant messages, property
        heads, other bases and more), instead of the shape parameters above
    n_epochs, batch_size, learning_rate : of the optimizer; the rate is its peak
    energy_weight, forces_weight : factors of the two losses: of the energy, divided by the number
        of atoms, and of force components
    loss, forces_loss : "crps" or "nll" (mean and spread of the ensemble), "mse" or "huber"
    losses : terms of the loss, each a Loss, instead of the four parameters above; frames may then
        lack labels
    optimizer : an Optimizer, with schedule, rates of groups, frozen parameters and clipping,
        instead of `learning_rate`
    shift : how reference energies are found: Regression, MeanAtomEnergy or ElementEnergies
    scale : how scales are found: ForceRms, EnergyRms, GlobalScale or ElementScales
    ema : decay per step of the moving average of the weights, 0 for none
    ema_start_epoch : epochs before the average begins
    patience : stop after so many epochs without a better validation loss; None never
    min_delta : by how much the loss must be lower to be better
    normalise_features : bring features to zero mean and one scale; much faster
    max_shapes : structures of different sizes are padded to so many shapes; each is compiled
    calibrate : scale the spread of the ensemble to the force errors on `valid_frames`
    seed : of the initial weights and of the order of structures

    Attributes
    ----------
    directory : the saved model
    history : one row per epoch: epoch, train_loss, valid_loss, on `valid_frames` MAE and RMSE of
        energies (eV/atom) and forces (eV/Angstrom, by component), then errors of all labels on
        both sets (``valid_forces_mse``, ``train_stress_mae``, ...) and the learning rate
    metrics : n_train, n_valid, n_epochs, best_epoch, n_compilations, spread_factor (1 without
        `calibrate`), and the validation errors of the best epoch in meV/atom and meV/Angstrom

    Raises
    ------
    ValueError
        If frames lack labels, settings are out of range, or `initial_model` does not fit.
    FloatingPointError
        If the loss becomes NaN.
    """

    train_frames: list[Atoms] = zn.deps()
    valid_frames: list[Atoms] = zn.deps(default_factory=list)
    initial_model: HasEnergyModel | None = zn.deps(None)
    transfer: Transfer = zn.deps(default_factory=Transfer)
    elements: list[str] = zn.params([])
    cutoff_angstrom: float = zn.params(5.0)
    n_basis: int = zn.params(16)
    n_radial: int = zn.params(5)
    n_contractions: int = zn.params(8)
    hidden: tuple[int, ...] = zn.params((256, 256))
    n_members: int = zn.params(8)
    zbl: bool = zn.params(False)
    ensemble: Literal["shallow", "full"] = zn.params("shallow")
    precision: Literal["float32", "float64"] = zn.params("float32")
    model: dict[str, Any] = zn.params({})
    n_epochs: int = zn.params(200)
    batch_size: int = zn.params(8)
    learning_rate: float = zn.params(3e-3)
    energy_weight: float = zn.params(1.0)
    forces_weight: float = zn.params(1.0)
    loss: LossName = zn.params("crps")
    forces_loss: LossName = zn.params("huber")
    losses: list[Loss] = zn.deps(default_factory=list)
    optimizer: Optimizer | None = zn.deps(None)
    shift: Shift = zn.deps(default_factory=Regression)
    scale: Scale = zn.deps(default_factory=ForceRms)
    ema: float = zn.params(0.99)
    ema_start_epoch: int = zn.params(0)
    patience: int | None = zn.params(None)
    min_delta: float = zn.params(0.0)
    normalise_features: bool = zn.params(True)
    max_shapes: int = zn.params(3)
    calibrate: bool = zn.params(False)
    seed: int = zn.params(0)
    directory: Path = zn.outs_path(zn.nwd / "model")
    history: "pd.DataFrame" = zn.plots(
        x="epoch",
        y=["energy_mae_ev_per_atom", "forces_mae_ev_per_angstrom"],
        x_label="epoch",
        y_label="validation MAE (eV/atom, eV/Angstrom)",
        title="Training",
    )
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        require("optax", extra="jax")
        import pandas as pd

        from nodes.numerics.fit import calibrate_forces, fit
        from nodes.numerics.potentials import save_model

        train, valid = self._structures()
        numbers = {int(z) for structure in (*train, *valid) for z in structure.numbers}
        model, initial = self._start(numbers)
        train, valid = (
            _with_properties(structures, frames, [head.name for head in model.config.heads])
            for structures, frames in ((train, self.train_frames), (valid, self.valid_frames))
        )
        result = fit(
            model,
            train,
            valid,
            self._fit_config(),
            initial=initial,
            checkpoint_dir=self.scratch,
            on_epoch=lambda metrics: self.progress(metrics.epoch, self.n_epochs),
        )
        params, factor = result.params, 1.0
        if self.calibrate:
            params, factor = calibrate_forces(model, params, valid)
        save_model(Path(self.directory), model, params)
        self.history = pd.DataFrame([_row(epoch) for epoch in result.history])
        self.metrics = {
            "n_train": len(train),
            "n_valid": len(valid),
            "n_epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "n_compilations": result.n_compilations,
            "spread_factor": factor,
        } | _in_mev(_row(result.history[result.best_epoch - 1]))

    def _structures(self) -> "tuple[list[Structure], list[Structure]]":
        """Return the structures to train on and to validate on."""
        required = () if self.losses else ("energy", "forces")
        train = structures_of(self.train_frames, labelled=True, required=required)
        if not len(self.valid_frames):
            return train, []
        return train, structures_of(self.valid_frames, labelled=True, required=required)

    def _start(self, numbers: set[int]) -> "tuple[EnergyModel, tuple[EnergyModel, Params] | None]":
        """Return the model to train, and the model to start from, None for random weights."""
        from nodes.numerics.potentials import EnergyModel

        elements = numbers | {atomic_numbers[symbol] for symbol in self.elements}
        if self.initial_model is None:
            return EnergyModel(self._model_config(elements)), None
        initial = self.initial_model.energy_model()
        elements |= set(initial[0].config.elements)
        return EnergyModel(self._model_config(elements)), initial

    def _model_config(self, elements: set[int]) -> "ModelConfig":
        """Return the shape of the model."""
        from nodes.numerics.potentials import (
            Bessel,
            GaussianMoments,
            ModelConfig,
            Precision,
            Readout,
            Zbl,
        )

        if self.model:
            return _model_section(self.model, elements)
        return ModelConfig(
            elements=tuple(elements),
            cutoff_angstrom=self.cutoff_angstrom,
            representation=GaussianMoments(
                n_radial=self.n_radial,
                n_contractions=self.n_contractions,
                basis=Bessel(n_basis=self.n_basis),
            ),
            readout=Readout(hidden=self.hidden),
            n_members=self.n_members,
            ensemble=self.ensemble,
            corrections=(Zbl(),) if self.zbl else (),
            precision=Precision(*(self.precision,) * 3),
        )

    def _fit_config(self) -> "FitConfig":
        """Return how to train."""
        from nodes.numerics.fit import FitConfig

        losses = self.losses or [
            Loss("energy", self.loss, self.energy_weight),
            Loss("forces", self.forces_loss, self.forces_weight / 3.0),  # mean over components
        ]
        optimizer = self.optimizer or Optimizer(
            kwargs={"b2": 0.99}, learning_rate=self.learning_rate
        )
        return FitConfig(
            losses=tuple(lowered(term) for term in losses),
            optimizer=lowered(optimizer),
            shift=lowered(self.shift),
            scale=lowered(self.scale),
            transfer=lowered(self.transfer),
            **{name: getattr(self, name) for name in _FIT_SETTINGS},
        )


def _model_section(section: dict[str, Any], elements: set[int]) -> "ModelConfig":
    """Return the shape of the model that a section of a file of ``znp train`` describes."""
    return lower_model(TypeAdapter(Model).validate_python({"name": "gmnn"} | section), elements)


def _with_properties(
    structures: "list[Structure]", frames: Sequence[Atoms], names: Sequence[str]
) -> "list[Structure]":
    """Add the labels of property heads, as far as frames have them."""
    if not names:
        return structures
    labelled = []
    for structure, frame in zip(structures, frames, strict=True):
        stored = {**frame.info, **frame.arrays}
        found = {name: stored[name] for name in names if name in stored}
        labelled.append(dataclasses.replace(structure, properties=found))
    return labelled


def _row(metrics: Any) -> dict[str, float | None]:
    """Return the metrics of an epoch side by side, None where there is no validation."""
    fields = {f.name: getattr(metrics, f.name) for f in dataclasses.fields(metrics)}
    details = fields.pop("details")
    return fields | details


def _in_mev(epoch: dict[str, float | None]) -> dict[str, float]:
    """Return the errors of one epoch in meV, leaving out those that do not exist."""
    return {
        name.replace("_ev_", "_mev_"): 1e3 * value
        for name, value in epoch.items()
        if "_ev_" in name and value is not None
    }
