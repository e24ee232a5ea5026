"""One epoch after the other: order, learning rates, and data on the device or streamed to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from nodes.numerics.fit.config import FitConfig
from nodes.numerics.fit.epoch import FitState, Numbers, Pace, Program, run_training, run_validation
from nodes.numerics.fit.metrics import EpochMetrics, metrics_of
from nodes.numerics.fit.objective import Sums
from nodes.numerics.fit.packing import Dataset
from nodes.numerics.fit.parameters import groups_of
from nodes.numerics.fit.placement import is_resident, mesh_of, place
from nodes.numerics.fit.plan import Plan, chunks, n_batches, plan
from nodes.numerics.fit.schedules import Length
from nodes.numerics.potentials.model import EnergyModel, Params

__all__ = ["Runner"]

_STEPS_AT_ONCE = 64


@dataclass(frozen=True)
class Runner:
    """Runs the epochs of a fit.

    Attributes
    ----------
    config : FitConfig
    program : Program
    peaks : tuple of float
        Peak learning rate of each group of parameters.
    constants : dict
        Of the model, on the device.
    train, valid : tuple of Dataset
        On the device if ``resident``, else on the host.
    resident : bool
    """

    config: FitConfig
    program: Program
    peaks: tuple[float, ...]
    constants: Any
    train: tuple[Dataset, ...]
    valid: tuple[Dataset, ...]
    resident: bool

    @classmethod
    def of(
        cls,
        model: EnergyModel,
        config: FitConfig,
        params: Params,
        train: tuple[Dataset, ...],
        valid: tuple[Dataset, ...],
    ) -> Runner:
        """Runner of a fit; data sets are in NumPy."""
        groups, peaks = groups_of(config.optimizer, params["weights"])
        mesh = mesh_of(config)
        constants = {name: v for name, v in params["constants"].items() if name != "reference"}
        resident = is_resident((*train, *valid), config)
        if resident:
            train, valid = place(train, mesh), place(valid, mesh)
        program = Program.of(model, config, groups, mesh)
        return cls(config, program, peaks, place(constants, mesh), train, valid, resident)

    @property
    def mesh(self) -> Mesh | None:
        """Devices that share each batch."""
        return self.program.mesh

    def epoch(
        self, state: FitState, history: Sequence[EpochMetrics]
    ) -> tuple[FitState, EpochMetrics]:
        """Train on every structure once, then validate. ``state`` is used up."""
        config, epoch = self.config, len(history) + 1
        lengths = [len(dataset) for dataset in self.train]
        whole = plan(lengths, config.batch_size, np.random.default_rng([config.seed, epoch]))
        pace, numbers = self._pace(history), Numbers.of(config)
        trained: list[Sums] = []
        for steps, part, data in self._parts(self.train, whole):
            now = place(Pace(*(column[steps] for column in pace)), self.mesh)
            state, sums = run_training(
                self.program, numbers, state, self.constants, data, part, now
            )
            trained.append(sums)
        validated: list[Sums] = []
        for _, part, data in self._parts(self.valid, self._valid_plan()):
            sums = run_validation(
                self.program.objective,
                self.mesh,
                numbers,
                state.average,
                self.constants,
                data,
                part,
            )
            validated.append(sums)
        rate = float(np.max(pace.rates[-1]))
        return state, metrics_of(epoch, config.losses, rate, *jax.device_get((trained, validated)))

    def _valid_plan(self) -> Plan:
        batch_size = self.config.valid_batch_size or self.config.batch_size
        return plan([len(dataset) for dataset in self.valid], batch_size)

    def _parts(self, datasets: tuple[Dataset, ...], whole: Plan) -> Any:
        """The plan at once on resident data, else in parts with their data."""
        if self.resident and datasets:
            yield slice(None), place(whole, self.mesh), datasets
            return
        for steps, part, data in chunks(datasets, whole, _STEPS_AT_ONCE):
            yield steps, place(part, self.mesh), place(data, self.mesh)

    def _pace(self, history: Sequence[EpochMetrics]) -> Pace:
        """Learning rates and decays of the steps of the next epoch."""
        config, schedule = self.config, self.config.optimizer.schedule
        per_epoch = n_batches([len(dataset) for dataset in self.train], config.batch_size)
        length = Length(config.n_epochs * per_epoch, per_epoch)
        steps = len(history) * per_epoch + np.arange(per_epoch)
        losses = [m.train_loss if m.valid_loss is None else m.valid_loss for m in history]
        rates = [schedule.rates(peak, steps, length) for peak in self.peaks]
        started = len(history) >= config.ema_start_epoch
        averaged = np.maximum(steps - config.ema_start_epoch * per_epoch, 0)
        # Early on the average follows closely, so that it forgets the initial weights.
        decay = np.minimum(config.ema, (1.0 + averaged) / (10.0 + averaged))
        return Pace(schedule.factor(losses) * np.stack(rates, axis=1), started * decay)
