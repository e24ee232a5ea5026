"""Molecular dynamics with a learned potential.

- `settings`: MDSettings, what to run.
- `moving`: integrators at constant energy, temperature and pressure.
- `schedules`, `constraints`, `checks`: what changes in time, what may not move, when to stop.
- `thermo`: velocities, temperature, degrees of freedom.
- `spec_numbers`: specs without their numbers, so that other numbers need no other program.
- `state`, `lists`, `block`: many steps as one compiled loop, with frames kept on the device.
- `batch`: systems of any size as arrays of one shape.
- `simulation`: the host's side: blocks, frames, room for lists, restart.
- `frames`, `checkpoint`: frames for people to read; frames and state on disk.
- `run`: run_md() and run_replicas(), which join them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
