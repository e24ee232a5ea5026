"""From a config to MDSettings."""

import math
from typing import TYPE_CHECKING, Any

from ase import units

from nodes.dynamics.config.ensembles import Ensemble, Pressure, TemperatureSchedule
from nodes.dynamics.config.md import MdConfig
from nodes.dynamics.config.rules import CheckConfig, ConstraintConfig

if TYPE_CHECKING:
    from nodes.numerics.md import MDSettings

__all__ = ["GPA_PER_BAR", "lower_md", "n_steps_of"]

GPA_PER_BAR = units.bar / units.GPa
_UNCERTAINTIES = ("forces_uncertainty", "forces_ensemble")


def lower_md(config: MdConfig) -> "MDSettings":
    """Return what to run."""
    from nodes.numerics.md import MDSettings

    ensemble = config.ensemble
    pressure = getattr(ensemble, "pressure", None)
    return MDSettings(
        integrator=_integrator(ensemble),
        timestep_fs=ensemble.dt,
        temperature_k=_temperature(ensemble.temperature_schedule, ensemble.dt),
        pressure_gpa=None if pressure is None else _pressure(pressure, ensemble.dt),
        n_steps=n_steps_of(config),
        sample_every=config.sampling_rate,
        check_every=config.check_interval,
        checks=tuple(_check(check) for check in config.dynamics_checks),
        keep_before=config.keep_before,
        force_std=any(name in config.properties for name in _UNCERTAINTIES),
        constraints=tuple(_constraint(entry) for entry in config.constraints),
        wrap=config.wrapped,
        skin_angstrom=config.dr_threshold,
        frames_per_block=min(
            config.buffer_size, max(1, round(config.n_inner / config.sampling_rate))
        ),
        seed=config.seed,
    )


def n_steps_of(config: MdConfig) -> int:
    """Return the number of steps, the next multiple of the sampling rate."""
    steps = config.duration / config.ensemble.dt
    return max(1, math.ceil(round(steps / config.sampling_rate, 6))) * config.sampling_rate


def _integrator(config: Ensemble) -> Any:
    from nodes.numerics.md import moving

    dt = config.dt
    if config.name == "nve":
        return moving.VelocityVerlet()
    if config.name == "langevin":
        return moving.Langevin(friction_per_ps=config.friction)
    if config.name == "csvr":
        return moving.VelocityRescaling(tau_fs=config.tau * dt)
    if config.name == "nvt":
        return moving.NoseHooverChain(**_chain(config.thermostat_chain, dt))
    if config.name == "npt":
        return moving.MtkNPT(
            **_chain(config.thermostat_chain, dt),
            tau_pressure_fs=config.barostat_chain.tau * dt,
            mode=config.cell,
        )
    return moving.CellRescaling(
        tau_fs=config.tau * dt,
        tau_pressure_fs=config.tau_pressure * dt,
        compressibility_per_gpa=config.compressibility / GPA_PER_BAR,
        mode=config.cell,
    )


def _chain(chain: Any, dt: float) -> dict[str, Any]:
    return {
        "chain_length": chain.chain_length,
        "chain_steps": chain.chain_steps,
        "sy_steps": chain.sy_steps,
        "tau_fs": chain.tau * dt,
    }


def _temperature(config: TemperatureSchedule, dt: float) -> Any:
    from nodes.numerics.md import schedules

    if config.name == "constant":
        return schedules.Constant(config.T0)
    if config.name == "piecewise":
        durations = tuple(steps * dt for steps in config.durations)
        return schedules.Piecewise(config.T0, tuple(config.temperatures), durations)
    return schedules.OscillatingRamp(
        config.T0, config.Tend, config.amplitude, float(config.num_oscillations),
        config.total_steps * dt,
    )  # fmt: skip


def _pressure(config: Pressure, dt: float) -> Any:
    from nodes.numerics.md import schedules

    if isinstance(config, float | int):
        return schedules.Constant(config * GPA_PER_BAR)
    return schedules.Piecewise(
        config.start * GPA_PER_BAR,
        tuple(pressure * GPA_PER_BAR for pressure in config.pressures),
        tuple(steps * dt for steps in config.durations),
    )


def _check(config: CheckConfig) -> Any:
    from nodes.numerics.md import checks

    if config.name == "energy_uncertainty":
        return checks.MaxEnergyStd(config.threshold, config.per_atom)
    if config.name == "forces_uncertainty":
        return checks.MaxForceStd(config.threshold)
    if config.name == "reflection":
        return checks.Reflection(config.cutoff_plane_height)
    if config.name == "bond":
        return checks.BondLength(config.max_stretch)
    kinds = {
        "temperature": checks.MaxTemperature,
        "energy_jump": checks.EnergyJump,
        "min_distance": checks.MinDistance,
    }
    return kinds[config.name](config.threshold)


def _constraint(config: ConstraintConfig) -> Any:
    from nodes.numerics.md import constraints

    if config.name == "fixatoms":
        return constraints.FixAtoms(tuple(config.indices))
    if config.name == "fixlayer":
        return constraints.FixLayer(config.lower_limit, config.upper_limit)
    return constraints.FixCenterOfMass(config.position)
