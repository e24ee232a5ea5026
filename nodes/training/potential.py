"""Train a neural network potential."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.extras import require
from nodes.labels import attach_results
from nodes.training.calculator import PotentialCalculator, results_of

if TYPE_CHECKING:
    import pandas as pd

    from nodes.numerics.potentials import EnergyModel, ModelConfig, Params

_MODEL_SHAPE = (
    "cutoff_angstrom",
    "n_basis",
    "n_radial",
    "n_contractions",
    "hidden",
    "n_members",
    "zbl",
)
_FIT_SETTINGS = (
    "n_epochs",
    "batch_size",
    "learning_rate",
    "energy_weight",
    "forces_weight",
    "loss",
    "forces_loss",
    "ema",
    "patience",
    "seed",
)
_FRAMES_AT_ONCE = 256

LossName = Literal["crps", "nll", "mse", "huber"]


class TrainPotential(zn.Node):
    """Fit a Gaussian-moment network with an ensemble of last layers to energies and forces.

    A run that was killed goes on from its last checkpoint and ends with the same model.

    Parameters
    ----------
    train_frames : structures with energy (eV) and forces (eV/Angstrom)
    valid_frames : other such structures; the epoch of the lowest loss on them is kept
    initial_model : go on from this model, of the same shape, instead of from random weights
    elements : symbols of elements to have in the model beside those of the frames, for later use
    cutoff_angstrom : radius of the neighbourhood that an atom sees
    n_basis, n_radial : radial basis functions, learned radial functions per pair of elements
    n_contractions : how many of the eight families of invariants are used
    hidden : widths of the hidden layers
    n_members : size of the ensemble; 1 for none, with losses "mse" or "huber"
    zbl : add the screened repulsion of nuclei at short distances
    n_epochs, batch_size, learning_rate : of the optimizer; the rate is its peak
    energy_weight, forces_weight : factors of the two losses
    loss, forces_loss : "crps" or "nll" (mean and spread of the ensemble), "mse" or "huber"
    ema : decay per step of the moving average of the weights, 0 for none
    patience : stop after so many epochs without a better validation loss; None never
    calibrate : scale the spread of the ensemble to the force errors on `valid_frames`
    seed : of the initial weights and of the order of structures

    Attributes
    ----------
    directory : the saved model
    history : one row per epoch: epoch, train_loss, valid_loss, and on `valid_frames` MAE and RMSE
        of energies (eV/atom) and forces (eV/Angstrom, by component)
    metrics : n_train, n_valid, n_epochs, best_epoch, spread_factor (1 without `calibrate`), and
        the validation errors of the best epoch in meV/atom and meV/Angstrom

    Raises
    ------
    ValueError
        If frames lack labels, settings are out of range, or `initial_model` does not fit.
    FloatingPointError
        If the loss becomes NaN.
    """

    train_frames: list[Atoms] = zn.deps()
    valid_frames: list[Atoms] = zn.deps(default_factory=list)
    initial_model: Optional["TrainPotential"] = zn.deps(None)
    elements: list[str] = zn.params([])
    cutoff_angstrom: float = zn.params(5.0)
    n_basis: int = zn.params(16)
    n_radial: int = zn.params(5)
    n_contractions: int = zn.params(8)
    hidden: tuple[int, ...] = zn.params((256, 256))
    n_members: int = zn.params(8)
    zbl: bool = zn.params(False)
    n_epochs: int = zn.params(200)
    batch_size: int = zn.params(8)
    learning_rate: float = zn.params(3e-3)
    energy_weight: float = zn.params(1.0)
    forces_weight: float = zn.params(1.0)
    loss: LossName = zn.params("crps")
    forces_loss: LossName = zn.params("huber")
    ema: float = zn.params(0.99)
    patience: int | None = zn.params(None)
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

        from nodes.numerics.fit import FitConfig, calibrate_forces, fit
        from nodes.numerics.potentials import save_model

        train = structures_of(self.train_frames, labelled=True)
        valid = structures_of(self.valid_frames, labelled=True) if len(self.valid_frames) else []
        numbers = {int(z) for structure in (*train, *valid) for z in structure.numbers}
        model, initial = self._start(numbers)
        config = FitConfig(**{name: getattr(self, name) for name in _FIT_SETTINGS})
        result = fit(
            model,
            train,
            valid,
            config,
            initial=initial,
            checkpoint_dir=self.scratch,
            on_epoch=lambda metrics: self.progress(metrics.epoch, self.n_epochs),
        )
        params, factor = result.params, 1.0
        if self.calibrate:
            params, factor = calibrate_forces(model, params, valid)
        save_model(Path(self.directory), model, params)
        self.history = pd.DataFrame([dataclasses.asdict(epoch) for epoch in result.history])
        best = dataclasses.asdict(result.history[result.best_epoch - 1])
        self.metrics = {
            "n_train": len(train),
            "n_valid": len(valid),
            "n_epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "spread_factor": factor,
        } | _in_mev(best)

    def _start(self, numbers: set[int]) -> "tuple[EnergyModel, Params | None]":
        """Return the model to train and its initial parameters, None for random ones."""
        from nodes.numerics.potentials import EnergyModel, ModelConfig

        elements = numbers | {atomic_numbers[symbol] for symbol in self.elements}
        shape = {name: getattr(self, name) for name in _MODEL_SHAPE}
        config = ModelConfig(elements=tuple(elements), **shape)
        if self.initial_model is None:
            return EnergyModel(config), None
        model, params = self.initial_model.energy_model()
        _check_shape(config, model.config)
        return model, params

    def energy_model(self) -> "tuple[EnergyModel, Params]":
        """Return the trained model and its parameters."""
        require("jax", extra="jax")
        from nodes.numerics.potentials import load_model

        return load_model(Path(self.directory))

    def get_calculator(self, directory: Path | None = None) -> PotentialCalculator:
        """Return an ASE calculator; `directory` is not used."""
        return PotentialCalculator(Path(self.directory))

    def predict(self, frames: Iterable[Atoms]) -> list[Atoms]:
        """Return copies of `frames` with energy, forces, stress and the ensemble's spread.

        ``info["energy_std"]`` is in eV, ``arrays["forces_std"]`` in eV/Angstrom by component.
        """
        model, params = self.energy_model()
        predicted = [frame.copy() for frame in frames]
        for chunk in _chunks(predicted):
            structures = structures_of(chunk)
            results = model.predict_many(params, structures, forces_std=True)
            for frame, prediction in zip(chunk, results, strict=True):
                attach_results(frame, results_of(prediction))
        return predicted

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return last-layer gradient features per atom, shape (n_frames, n_features).

        The gradient of the energy by the weights of the last layer, divided by the number of
        atoms: V. Zaverkin et al., *Digit. Discov.* **1**, 605 (2022).
        """
        model, params = self.energy_model()
        rows = [
            model.last_layer_features_many(params, structures_of(chunk))
            / np.array([[len(frame)] for frame in chunk])
            for chunk in _chunks(list(frames))
        ]
        return np.concatenate(rows).astype(np.float64)


def _chunks(frames: Sequence[Atoms]) -> Iterable[Sequence[Atoms]]:
    """Split `frames` so that the padded arrays of a part fit into memory."""
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        yield frames[start : start + _FRAMES_AT_ONCE]


def _check_shape(asked: "ModelConfig", initial: "ModelConfig") -> None:
    """Raise ValueError if a model of shape `asked` cannot go on from one of shape `initial`."""
    if not set(asked.elements) <= set(initial.elements):
        raise ValueError(
            f"initial_model must know the elements {asked.elements}, received one for "
            f"{initial.elements}; name all in its parameter elements"
        )
    differing = [name for name in _MODEL_SHAPE if getattr(asked, name) != getattr(initial, name)]
    if differing:
        received = {name: getattr(asked, name) for name in differing}
        raise ValueError(
            f"{', '.join(differing)} must be as in initial_model "
            f"({[getattr(initial, name) for name in differing]}), received {received}"
        )


def _in_mev(epoch: dict[str, Any]) -> dict[str, float]:
    """Return the errors of one epoch in meV, leaving out those that do not exist."""
    return {
        name.replace("_ev_", "_mev_"): 1e3 * value
        for name, value in epoch.items()
        if "_ev_" in name and value is not None
    }
