"""Settings of integrators and of temperatures and pressures that change."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from nodes.schema.section import NO_EFFECT, Section

__all__ = ["Ensemble", "Nvt", "Pressure", "TemperatureSchedule"]


class ConstantTemperature(Section):
    """One temperature."""

    name: Literal["constant"] = "constant"
    """One temperature."""
    T0: PositiveFloat = 298.15
    """Temperature, K; in nve only that of the initial velocities."""


class PiecewiseTemperature(Section):
    """One ramp after the other."""

    name: Literal["piecewise"]
    """One ramp after the other."""
    T0: PositiveFloat = 298.15
    """Temperature at the start, K."""
    temperatures: tuple[PositiveFloat, ...] = Field(min_length=1)
    """Temperatures at the end of each ramp, K."""
    durations: tuple[PositiveInt, ...] = Field(min_length=1)
    """Steps of each ramp."""

    @model_validator(mode="after")
    def _check(self) -> "PiecewiseTemperature":
        if len(self.temperatures) != len(self.durations):
            raise ValueError(
                "temperatures and durations must be equally many, received "
                f"{len(self.temperatures)} and {len(self.durations)}"
            )
        return self


class OscillatingTemperature(Section):
    """A ramp with a sine on top."""

    name: Literal["oscillating_ramp"]
    """A ramp with a sine on top."""
    T0: PositiveFloat = 298.15
    """Temperature at the start, K."""
    Tend: PositiveFloat
    """Temperature at the end, K, which is kept from then on."""
    amplitude: PositiveFloat
    """Of the sine, K."""
    num_oscillations: PositiveInt
    """Whole periods during the ramp."""
    total_steps: PositiveInt
    """Steps of the ramp."""


TemperatureSchedule = Annotated[
    ConstantTemperature | PiecewiseTemperature | OscillatingTemperature,
    Field(discriminator="name"),
]


class PressureRamp(Section):
    """Pressures, one ramp after the other."""

    start: float
    """Pressure at the start, bar."""
    pressures: tuple[float, ...] = Field(min_length=1)
    """Pressures at the end of each ramp, bar."""
    durations: tuple[PositiveInt, ...] = Field(min_length=1)
    """Steps of each ramp."""

    @model_validator(mode="after")
    def _check(self) -> "PressureRamp":
        if len(self.pressures) != len(self.durations):
            raise ValueError(
                "pressures and durations must be equally many, received "
                f"{len(self.pressures)} and {len(self.durations)}"
            )
        return self


def _pressure_kind(value: Any) -> str:
    return "ramp" if isinstance(value, dict | PressureRamp) else "bar"


Pressure = Annotated[
    Annotated[float, Tag("bar")] | Annotated[PressureRamp, Tag("ramp")],
    Discriminator(_pressure_kind),
]


class Chain(Section):
    """A Nose-Hoover chain."""

    chain_length: PositiveInt = 3
    """Thermostats in the chain."""
    chain_steps: PositiveInt = 2
    """Parts that a step of the chain is split into."""
    sy_steps: Literal[1, 3, 5, 7] = 3
    """Order of the Suzuki-Yoshida splitting."""
    tau: PositiveFloat = 100.0
    """Time of relaxation in time steps."""


class BarostatChain(Section):
    """The chain of a barostat, as long as that of the atoms."""

    chain_length: PositiveInt = Field(default=3, json_schema_extra=NO_EFFECT)
    """As in thermostat_chain."""
    chain_steps: PositiveInt = Field(default=2, json_schema_extra=NO_EFFECT)
    """As in thermostat_chain."""
    sy_steps: PositiveInt = Field(default=3, json_schema_extra=NO_EFFECT)
    """As in thermostat_chain."""
    tau: PositiveFloat = 1000.0
    """Time of relaxation of the cell in time steps."""


class _Integrator(Section):
    """What all have."""

    dt: PositiveFloat = 0.5
    """Time step, fs."""
    temperature_schedule: TemperatureSchedule = ConstantTemperature()
    """Temperature of the thermostat and of the initial velocities."""


class Nve(_Integrator):
    """Velocity Verlet: energy is conserved."""

    name: Literal["nve"]
    """Velocity Verlet: energy is conserved."""


class Nvt(_Integrator):
    """Nose-Hoover chain."""

    name: Literal["nvt"] = "nvt"
    """Nose-Hoover chain."""
    thermostat_chain: Chain = Chain()
    """Its options, which apax reads but does not use."""


class LangevinDynamics(_Integrator):
    """Langevin dynamics (BAOAB)."""

    name: Literal["langevin"]
    """Langevin dynamics (BAOAB)."""
    friction: PositiveFloat = 10.0
    """Friction, 1/ps."""


class Csvr(_Integrator):
    """Stochastic velocity rescaling."""

    name: Literal["csvr"]
    """Stochastic velocity rescaling (Bussi)."""
    tau: PositiveFloat = 100.0
    """Time of relaxation in time steps."""


class Npt(_Integrator):
    """Nose-Hoover chains and a barostat (MTK)."""

    name: Literal["npt"]
    """Nose-Hoover chains and a barostat (Martyna, Tobias, Klein)."""
    thermostat_chain: Chain = Chain()
    """Chain of the atoms."""
    pressure: Pressure = 1.01325
    """Pressure in bar, or a ramp."""
    barostat_chain: BarostatChain = BarostatChain()
    """Chain of the cell."""
    cell: Literal["isotropic", "full"] = "isotropic"
    """Whether the cell keeps its shape."""


class CellRescaling(_Integrator):
    """Stochastic rescaling of velocities and cell."""

    name: Literal["cell_rescaling"]
    """Stochastic rescaling of velocities (Bussi) and cell (Bernetti and Bussi)."""
    tau: PositiveFloat = 100.0
    """Time of relaxation of the temperature in time steps."""
    tau_pressure: PositiveFloat = 1000.0
    """Time of relaxation of the pressure in time steps."""
    compressibility: PositiveFloat = 4.6e-5
    """Estimated compressibility, 1/bar; it acts on tau_pressure alone."""
    pressure: Pressure = 1.01325
    """Pressure in bar, or a ramp."""
    cell: Literal["isotropic", "anisotropic", "full"] = "isotropic"
    """How the cell may change: its volume, its lengths, or all of it."""


Ensemble = Annotated[
    Nvt | Nve | LangevinDynamics | Csvr | Npt | CellRescaling, Field(discriminator="name")
]
