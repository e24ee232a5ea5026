"""How atoms move on by one time step: integrators for any ASE calculator.

An integrator is a frozen spec. All that it remembers from step to step is in a plain dict of
arrays, so that a run can be saved at any step and go on exactly.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from ase import Atoms, units

__all__ = [
    "BerendsenNPT",
    "Conditions",
    "Integrator",
    "Langevin",
    "MtkNPT",
    "VelocityRescaling",
    "Verlet",
    "degrees_of_freedom",
    "evaluate",
    "temperature_of",
]

State = dict[str, np.ndarray]

_CHAIN_LENGTH = 3
_YOSHIDA = (1.0 / (2.0 - 2.0 ** (1.0 / 3.0)), 1.0 - 2.0 / (2.0 - 2.0 ** (1.0 / 3.0)))
_SUBSTEPS = (_YOSHIDA[0], _YOSHIDA[1], _YOSHIDA[0])
"""Fourth-order splitting: H. Yoshida, *Phys. Lett. A* **150**, 262 (1990)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one step is made under, in the units of ASE.

    Attributes
    ----------
    timestep : Angstrom sqrt(u/eV), a fs is ``ase.units.fs`` of it
    temperature_k : temperature of the thermostat
    pressure : eV/Angstrom^3
    """

    timestep: float
    temperature_k: float
    pressure: float = 0.0


@runtime_checkable
class Integrator(Protocol):
    """Moves atoms on by one step.

    Attributes
    ----------
    changes_cell : whether it keeps a pressure; it is then given the stress
    conserves_momentum : whether the total momentum stays zero
    """

    changes_cell: ClassVar[bool]
    conserves_momentum: ClassVar[bool]

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Change positions, momenta, cell and `state`, which has forces and stress of now."""
        ...


def evaluate(integrator: Integrator, atoms: Atoms, state: State) -> None:
    """Put forces (eV/Angstrom) and, where needed, stress (3, 3) (eV/Angstrom^3) into `state`."""
    state["forces"] = atoms.get_forces(md=True)
    if integrator.changes_cell:
        state["stress"] = atoms.get_stress(voigt=False)


def degrees_of_freedom(atoms: Atoms, *, conserves_momentum: bool) -> int:
    """Return the number of momenta that are free: 3N less constraints and conserved momentum."""
    free = atoms.get_number_of_degrees_of_freedom()
    if conserves_momentum and not atoms.constraints and len(atoms) > 1:
        free -= 3
    return free


def temperature_of(atoms: Atoms, integrator: Integrator) -> float:
    """Return the instantaneous temperature in K."""
    free = degrees_of_freedom(atoms, conserves_momentum=integrator.conserves_momentum)
    return 2.0 * float(atoms.get_kinetic_energy()) / (max(free, 1) * units.kB)


def _kick(atoms: Atoms, state: State, time: float) -> None:
    atoms.set_momenta(atoms.get_momenta() + time * state["forces"])


def _drift(atoms: Atoms, time: float) -> None:
    """Move along the velocities; with constraints, the momenta follow what was possible."""
    masses = atoms.get_masses()[:, None]
    before = atoms.get_positions()
    atoms.set_positions(before + time * atoms.get_momenta() / masses)
    if atoms.constraints:
        moved = (atoms.get_positions() - before) * masses / time
        atoms.set_momenta(moved, apply_constraint=False)


@dataclass(frozen=True)
class Verlet:
    """Velocity Verlet: constant energy."""

    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Take one step."""
        _kick(atoms, state, 0.5 * conditions.timestep)
        _drift(atoms, conditions.timestep)
        evaluate(self, atoms, state)
        _kick(atoms, state, 0.5 * conditions.timestep)


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics, split as BAOAB: B. Leimkuhler, C. Matthews, *JCP* **138**, 174102 (2013).

    Parameters
    ----------
    friction_per_ps : coupling to the heat bath
    """

    friction_per_ps: float = 10.0

    changes_cell: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_positive("friction_per_ps", self.friction_per_ps)

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Take one step; one normal number for each coordinate is drawn."""
        half = 0.5 * conditions.timestep
        masses = atoms.get_masses()[:, None]
        kept = math.exp(-self.friction_per_ps / (1000.0 * units.fs) * conditions.timestep)
        width = np.sqrt(masses * units.kB * conditions.temperature_k * (1.0 - kept**2))
        _kick(atoms, state, half)
        _drift(atoms, half)
        noise = rng.standard_normal((len(atoms), 3))
        atoms.set_momenta(kept * atoms.get_momenta() + width * noise)
        _drift(atoms, half)
        evaluate(self, atoms, state)
        _kick(atoms, state, half)


@dataclass(frozen=True)
class VelocityRescaling(Verlet):
    """Stochastic velocity rescaling: G. Bussi et al., *J. Chem. Phys.* **126**, 014101 (2007).

    Parameters
    ----------
    time_constant_fs : of the coupling to the heat bath
    """

    time_constant_fs: float = 100.0

    def __post_init__(self) -> None:
        _check_positive("time_constant_fs", self.time_constant_fs)

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Scale all momenta by one random factor, equation A7, then take a Verlet step."""
        free = degrees_of_freedom(atoms, conserves_momentum=True)
        kinetic = atoms.get_kinetic_energy()
        first = rng.standard_normal()
        others = 2.0 * rng.standard_gamma(0.5 * (free - 1)) if free > 1 else 0.0
        if kinetic > 0.0:
            kept = math.exp(-conditions.timestep / (self.time_constant_fs * units.fs))
            share = (1.0 - kept) * 0.5 * units.kB * conditions.temperature_k / kinetic
            square = kept + share * (others + first**2) + 2.0 * first * math.sqrt(kept * share)
            atoms.set_momenta(math.sqrt(max(square, 0.0)) * atoms.get_momenta())
        super().step(atoms, state, conditions, rng)


@dataclass(frozen=True)
class BerendsenNPT:
    """Weak coupling to temperature and pressure: H. Berendsen et al., *JCP* **81**, 3684 (1984).

    Good for reaching a state, not for sampling: fluctuations are too small. The cell keeps its
    shape.

    Parameters
    ----------
    temperature_time_fs, pressure_time_fs : time constants of the couplings
    compressibility_per_gpa : a rough value decides how fast the pressure is reached
    """

    temperature_time_fs: float = 100.0
    pressure_time_fs: float = 1000.0
    compressibility_per_gpa: float = 0.01

    changes_cell: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("temperature_time_fs", self.temperature_time_fs)
        _check_positive("pressure_time_fs", self.pressure_time_fs)
        _check_positive("compressibility_per_gpa", self.compressibility_per_gpa)

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Take a Verlet step with scaled momenta; the cell is scaled before the forces."""
        time = conditions.timestep
        now = temperature_of(atoms, self)
        excess = _pressure(atoms, state) - conditions.pressure
        if now > 0.0:
            share = time / (self.temperature_time_fs * units.fs)
            factor = math.sqrt(max(1.0 + share * (conditions.temperature_k / now - 1.0), 0.0))
            atoms.set_momenta(min(max(factor, 0.9), 1.1) * atoms.get_momenta())
        _kick(atoms, state, 0.5 * time)
        _drift(atoms, time)
        rate = self.compressibility_per_gpa / units.GPa / (self.pressure_time_fs * units.fs)
        growth = min(max(time * rate * excess, -0.03), 0.03)
        atoms.set_cell(atoms.cell.array * (1.0 + growth) ** (1.0 / 3.0), scale_atoms=True)
        evaluate(self, atoms, state)
        _kick(atoms, state, 0.5 * time)


@dataclass(frozen=True)
class MtkNPT:
    """Constant pressure and temperature after Martyna, Tobias and Klein; the cell keeps its shape.

    Nose-Hoover chains of three on atoms and on the volume. G. Martyna et al., *J. Chem. Phys.*
    **101**, 4177 (1994); M. Tuckerman et al., *J. Phys. A* **39**, 5629 (2006).

    Parameters
    ----------
    temperature_time_fs : period of the thermostat, about 100 time steps
    pressure_time_fs : period of the barostat, about 1000 time steps
    """

    temperature_time_fs: float = 100.0
    pressure_time_fs: float = 1000.0

    changes_cell: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("temperature_time_fs", self.temperature_time_fs)
        _check_positive("pressure_time_fs", self.pressure_time_fs)

    def step(
        self, atoms: Atoms, state: State, conditions: Conditions, rng: np.random.Generator
    ) -> None:
        """Take one step; `state` gets the momenta of volume, thermostat and barostat."""
        time, half = conditions.timestep, 0.5 * conditions.timestep
        free = degrees_of_freedom(atoms, conserves_momentum=True)
        thermal = units.kB * conditions.temperature_k
        inertia = (free + 3) * thermal * (self.pressure_time_fs * units.fs) ** 2
        state.setdefault("volume_momentum", np.zeros(()))
        state.setdefault("thermostat", np.zeros(_CHAIN_LENGTH))
        state.setdefault("barostat", np.zeros(_CHAIN_LENGTH))
        self._couple_baths(atoms, state, half, free, thermal, inertia)
        self._push(atoms, state, half, free, inertia, conditions.pressure, volume_first=True)
        rate = float(state["volume_momentum"]) / inertia
        velocities = atoms.get_velocities()
        moved = atoms.positions * math.exp(time * rate) + time * velocities * _exprel(time * rate)
        atoms.set_cell(atoms.cell.array * math.exp(time * rate))
        atoms.set_positions(moved)
        evaluate(self, atoms, state)
        self._push(atoms, state, half, free, inertia, conditions.pressure, volume_first=False)
        self._couple_baths(atoms, state, half, free, thermal, inertia, volume_first=False)

    def _push(
        self, atoms: Atoms, state: State, time: float, free: int, inertia: float,
        pressure: float, *, volume_first: bool,
    ) -> None:  # fmt: skip
        """Let forces act on the momenta of atoms, and the excess of pressure on the volume."""
        for volume in (volume_first, not volume_first):
            if volume:
                excess = 3.0 * atoms.get_volume() * (_pressure(atoms, state) - pressure)
                excess += 3.0 / free * 2.0 * atoms.get_kinetic_energy()
                state["volume_momentum"] = state["volume_momentum"] + time * excess
            else:
                drag = (1.0 + 3.0 / free) * float(state["volume_momentum"]) / inertia * time
                momenta = atoms.get_momenta() * math.exp(-drag)
                atoms.set_momenta(momenta + time * state["forces"] * _exprel(-drag))

    def _couple_baths(
        self, atoms: Atoms, state: State, time: float, free: int, thermal: float,
        inertia: float, *, volume_first: bool = True,
    ) -> None:  # fmt: skip
        """Scale the momenta of atoms and volume by their chains."""
        for volume in (volume_first, not volume_first):
            period = (self.pressure_time_fs if volume else self.temperature_time_fs) * units.fs
            masses = np.full(_CHAIN_LENGTH, thermal * period**2)
            if volume:
                masses[0] *= 9.0
                twice = float(state["volume_momentum"]) ** 2 / inertia
                factor, state["barostat"] = _chain(
                    state["barostat"], masses, twice, 1, thermal, time
                )
                state["volume_momentum"] = state["volume_momentum"] * factor
            else:
                masses[0] *= free
                twice = 2.0 * float(atoms.get_kinetic_energy())
                factor, state["thermostat"] = _chain(
                    state["thermostat"], masses, twice, free, thermal, time
                )
                atoms.set_momenta(atoms.get_momenta() * factor)


def _chain(
    momenta: np.ndarray, masses: np.ndarray, twice_kinetic: float, free: int, thermal: float,
    time: float,
) -> tuple[float, np.ndarray]:  # fmt: skip
    """Return the factor of the thermostatted momenta, and the new momenta of the chain."""
    chain = momenta.copy()
    factor = 1.0
    last = len(chain) - 1

    def push(link: int, part: float) -> None:
        damping = (
            math.exp(-0.25 * part * chain[link + 1] / masses[link + 1]) if link < last else 1.0
        )
        if link == 0:
            force = twice_kinetic * factor**2 - free * thermal
        else:
            force = chain[link - 1] ** 2 / masses[link - 1] - thermal
        chain[link] = (chain[link] * damping + 0.5 * part * force) * damping

    for weight in _SUBSTEPS:
        part = weight * time
        for link in range(last, -1, -1):
            push(link, part)
        factor *= math.exp(-part * chain[0] / masses[0])
        for link in range(last + 1):
            push(link, part)
    return factor, chain


def _pressure(atoms: Atoms, state: State) -> float:
    """Return the pressure in eV/Angstrom^3, with the part of the ideal gas."""
    kinetic = 2.0 * float(atoms.get_kinetic_energy()) / (3.0 * atoms.get_volume())
    return kinetic - float(np.trace(state["stress"])) / 3.0


def _exprel(value: float) -> float:
    """Return (exp(x) - 1) / x."""
    return math.expm1(value) / value if value else 1.0


def _check_positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise ValueError(f"{name} must be positive, received {value}")
