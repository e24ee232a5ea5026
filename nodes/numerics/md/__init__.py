"""Molecular dynamics with a learned potential.

- `settings`: MDSettings, what to run.
- `thermo`: velocities, temperature, degrees of freedom.
- `integrators`: velocity Verlet and Langevin (BAOAB) steps.
- `block`: many steps as one compiled loop, with frames kept on the device.
- `checkpoint`: frames and state on disk.
- `run`: run_md(), which joins them.
"""

from nodes.numerics.md.run import MDProgress, MDResult, run_md
from nodes.numerics.md.settings import MDSettings
from nodes.numerics.md.thermo import degrees_of_freedom, maxwell_boltzmann, temperature_k

__all__ = [
    "MDProgress", "MDResult", "MDSettings", "degrees_of_freedom", "maxwell_boltzmann", "run_md",
    "temperature_k",
]  # fmt: skip
