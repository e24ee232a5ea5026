"""How atoms move on by one time step.

- `records`: what an integrator is given, what it changes, what it promises.
- `verlet`: constant energy.
- `langevin`, `velocity_rescaling`, `nose_hoover`: constant temperature.
- `cell_rescaling`, `mtk`: constant temperature and pressure, on `strain`.
"""

from nodes.numerics.md.moving.cell_rescaling import CellRescaling
from nodes.numerics.md.moving.langevin import Langevin
from nodes.numerics.md.moving.mtk import MtkNPT
from nodes.numerics.md.moving.nose_hoover import NoseHooverChain
from nodes.numerics.md.moving.records import Conditions, Integrator, Moving
from nodes.numerics.md.moving.velocity_rescaling import VelocityRescaling
from nodes.numerics.md.moving.verlet import VelocityVerlet

__all__ = [
    "CellRescaling", "Conditions", "Integrator", "Langevin", "Moving", "MtkNPT", "NoseHooverChain",
    "VelocityRescaling", "VelocityVerlet",
]  # fmt: skip
