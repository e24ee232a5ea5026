"""Relaxation of many structures, and their cells, in one compiled loop.

Modules::

    settings     RelaxSettings
    relaxation   Relaxation, relax_many(): batches that are refilled while they run
    result       Relaxed
    optimizers   LBFGS, FIRE: pure functions of coordinates and forces
    strain       the coordinates of a cell
    block, batch, state
                 the loop, and what it holds
"""

from nodes.numerics.relax.batch import RelaxStart
from nodes.numerics.relax.optimizers import FIRE, LBFGS, Optimizer
from nodes.numerics.relax.relaxation import Relaxation, relax_many
from nodes.numerics.relax.result import Relaxed
from nodes.numerics.relax.settings import RelaxSettings

__all__ = [
    "FIRE", "LBFGS", "Optimizer", "RelaxSettings", "RelaxStart", "Relaxation", "Relaxed",
    "relax_many",
]  # fmt: skip
