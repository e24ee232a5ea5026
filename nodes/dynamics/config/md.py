"""MdConfig: the whole file."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from nodes.dynamics.config.ensembles import Ensemble, Nvt
from nodes.dynamics.config.rules import Bias, CheckConfig, ConstraintConfig
from nodes.schema.section import NO_EFFECT, Section

__all__ = ["H5mdOptions", "MdConfig", "PropertyName"]

PropertyName = Literal[
    "energy", "forces", "stress", "forces_uncertainty", "energy_uncertainty", "stress_uncertainty",
    "energy_ensemble", "forces_ensemble", "stress_ensemble", "energy_unbiased", "forces_unbiased",
    "charge", "charges", "temperature", "pressure", "conserved_energy",
]  # fmt: skip

_NOT_KEPT = (
    "stress_uncertainty", "energy_ensemble", "forces_ensemble", "stress_ensemble",
    "energy_unbiased", "forces_unbiased", "charge", "charges",
)  # fmt: skip
"""Names of apax that are read but not kept."""

_DEFAULT_PROPERTIES: tuple[PropertyName, ...] = (
    "energy", "forces", "stress", "forces_uncertainty", "energy_uncertainty", "temperature",
    "conserved_energy",
)  # fmt: skip


class H5mdOptions(Section):
    """How the trajectory is stored."""

    compression: Literal["gzip", "lzf"] | None = "gzip"
    """Method; null for none."""
    compression_opts: int = Field(default=4, ge=0, le=9)
    """Level of gzip."""
    store: Literal["time", "linear"] = "time"
    """Whether steps and times are stored one by one, or as their first and distance."""
    author: str = "N/A"
    """Name of the author."""
    author_email: str = "N/A"
    """Address of the author."""


class MdConfig(Section):
    """Everything about one simulation."""

    seed: int = Field(default=1, ge=0)
    """Of the initial velocities and the thermostat."""
    ensemble: Ensemble = Nvt()
    """How atoms move."""
    duration: PositiveFloat
    """Length of the simulation, fs."""
    n_inner: PositiveInt = 500
    """Steps of one compiled block, between which frames are taken from the device."""
    sampling_rate: PositiveInt = 10
    """Steps between frames."""
    buffer_size: PositiveInt = 2500
    """Frames that are on the device at most."""
    dr_threshold: PositiveFloat = 0.5
    """Margin of the neighbour list, Angstrom."""
    extra_capacity: NonNegativeInt = Field(default=0, json_schema_extra=NO_EFFECT)
    """The neighbour list grows when it must, without losing a step."""
    biases: tuple[Bias, ...] = ()
    """Energies that are added to that of the model."""
    dynamics_checks: tuple[CheckConfig, ...] = ()
    """When to stop; the frame that made it stop is kept."""
    check_interval: PositiveInt | None = None
    """Steps between checks, a divisor of sampling_rate; null checks at frames."""
    keep_before: NonNegativeInt = 0
    """Checked steps before the one that made it stop that are kept besides."""
    constraints: tuple[ConstraintConfig, ...] = ()
    """What may not move."""
    properties: tuple[PropertyName, ...] = _DEFAULT_PROPERTIES
    """What is kept of each frame, as far as the model has it."""
    h5md_options: H5mdOptions = H5mdOptions()
    """How the trajectory is stored."""
    initial_structure: str
    """File with the structure to start from, the last one of several."""
    load_momenta: bool = False
    """Start with the momenta of the structure instead of random ones."""
    sim_dir: str = "."
    """Folder of the simulation."""
    traj_name: str = "md.h5"
    """Name of the trajectory within it."""
    restart: bool = True
    """Go on from a simulation that was interrupted; false begins anew."""
    wrapped: bool = True
    """Wrap the atoms of each frame into the cell."""
    checkpoint_interval: PositiveInt = 50_000
    """Steps between states from which it may go on, at most once per block (in apax, blocks)."""
    disable_pbar: bool = False
    """No progress bar."""

    def without_effect(self, prefix: str = "") -> list[str]:
        """Return what changes nothing; also properties that no frame has."""
        lacking = [name for name in self.properties if name in _NOT_KEPT]
        return [*super().without_effect(prefix), *(f"properties: {name}" for name in lacking)]

    @property
    def trajectory(self) -> Path:
        """File of the frames."""
        return Path(self.sim_dir) / self.traj_name
