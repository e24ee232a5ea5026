"""What a compiled run is made of: its program, what stays the same, what changes, its frames.

All arrays of atoms have a leading axis of replicas: systems that move side by side in one loop.
A single run is a batch of one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal, NamedTuple

from nodes.numerics.md.constraints import Freedom
from nodes.numerics.md.moving import Moving
from nodes.numerics.neighbors.device import DeviceList, ListSpec
from nodes.numerics.potentials.model import EnergyModel, Params

__all__ = ["Block", "ForceStd", "Frames", "MDState", "Program", "Reason", "Rules", "System"]

ForceStd = Literal["never", "sampled", "checked"]
"""When the uncertainty of forces is evaluated."""

Leaf = Any
"""A jax.Array on the device, a NumPy array on the host."""


class Reason(IntEnum):
    """Why a replica stopped; the check of index k in `Rules` is ``CHECK + k``."""

    NONE = 0
    NOT_FINITE = 1
    CHECK = 2


class Rules(NamedTuple):
    """The specs of a run; in a `Program` they are without their numbers."""

    integrator: Any
    temperature: Any
    pressure: Any
    checks: tuple[Any, ...]
    biases: tuple[Any, ...]


class Program(NamedTuple):
    """What is fixed at compile time.

    Attributes
    ----------
    model : EnergyModel
    spec : ListSpec
    rules : Rules
        Without numbers, see `spec_numbers`.
    frames_per_block : int
    keep_before : int
        Snapshots that are remembered for the case of a stop.
    force_std : ForceStd
    holds_center : bool
        Whether a constraint holds the centre of mass of some replica.
    """

    model: EnergyModel
    spec: ListSpec
    rules: Rules
    frames_per_block: int
    keep_before: int
    force_std: ForceStd
    holds_center: bool


class System(NamedTuple):
    """What stays the same during a run of b replicas.

    Attributes
    ----------
    params : Params
        Reference energies only if there are biases, which may need them.
    numbers : tuple of ()
        Those of `Rules`.
    species : (b, n) int
        -1 for atoms that only fill up a batch.
    masses : (b, n, 1), u
        Next to nothing for atoms that only fill up.
    freedom : Freedom
        Of each replica.
    keys : (b,)
        JAX keys of the noise.
    timestep_fs : ()
    n_steps, sample_every, check_every : () int
    """

    params: Params
    numbers: tuple[Leaf, ...]
    species: Leaf
    masses: Leaf
    freedom: Freedom
    keys: Leaf
    timestep_fs: Leaf
    n_steps: Leaf
    sample_every: Leaf
    check_every: Leaf


class Frames(NamedTuple):
    """Snapshots with leading axes (frames, replicas); a step of -1 marks one that is not there.

    Energies (eV) are without reference energies; velocities are in Angstrom per unit of time, see
    `units.FS`; the virial (eV) is the derivative of the energy by strain.
    """

    step: Leaf
    positions: Leaf
    velocities: Leaf
    forces: Leaf
    cell: Leaf
    virial: Leaf
    energy: Leaf
    energy_std: Leaf
    force_std_max: Leaf
    conserved: Leaf


class MDState(NamedTuple):
    """What changes.

    Attributes
    ----------
    step : () int
        The last complete one; -1 before the forces of the start are known.
    looked : () int
        The last step that was checked, and kept if it was due.
    stale : () bool
        Whether the list must be built anew before ``pending`` is evaluated.
    reason : (b,) int
        A `Reason`; replicas with one stand still.
    stopped_at : (b,) int
        The step that the reason speaks of.
    value : (b,)
        What the check found that stopped the replica.
    moving : Moving
        At ``step``.
    pending : Moving
        On the way to the next step: new positions, whose forces are not known yet.
    energies : (b, n_members), eV
        At ``step``, biases included.
    neighbors : DeviceList
    memories : tuple of dict
        What the checks remember.
    recent : Frames
        The last ``keep_before`` checked steps, in a ring.
    """

    step: Leaf
    looked: Leaf
    stale: Leaf
    reason: Leaf
    stopped_at: Leaf
    value: Leaf
    moving: Moving
    pending: Moving
    energies: Leaf
    neighbors: DeviceList
    memories: tuple[dict[str, Leaf], ...]
    recent: Frames


class Block(NamedTuple):
    """A block under way.

    Attributes
    ----------
    state : MDState
    frames : Frames
        A buffer.
    n_frames : () int
        How much of it is used.
    needed : () int
        Slots that the neighbour list asks for; more than there are if it overflowed.
    overflow : () bool
    """

    state: MDState
    frames: Frames
    n_frames: Leaf
    needed: Leaf
    overflow: Leaf
