"""Minimisers of anything that has positions and forces: a structure, one with its cell, a band.

An optimizer is a frozen spec. All that it remembers from step to step is in a plain dict of
arrays, so that a relaxation can be saved at any step and go on exactly.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from ase.optimize.precon import Exp
from ase.optimize.precon import PreconLBFGS as AsePreconLBFGS

__all__ = ["BFGS", "FIRE", "LBFGS", "OPTIMIZERS", "Movable", "Optimizer", "PreconLBFGS"]

State = dict[str, np.ndarray]

_CURVATURE: Final = 70.0
"""First guess of the second derivatives, eV/Angstrom^2."""

_PRECONDITIONED_ATOMS: Final = 100
"""Below this number a preconditioner does not pay."""


class Movable(Protocol):
    """What an optimizer moves: `Atoms`, a filter of ASE, or a band."""

    def get_positions(self) -> np.ndarray:
        """Return the coordinates, shape (n, 3)."""
        ...

    def get_forces(self) -> np.ndarray:
        """Return minus the gradient, shape (n, 3)."""
        ...

    def set_positions(self, newpositions: np.ndarray) -> None:
        """Change the coordinates."""
        ...


class Optimizer(Protocol):
    """Takes one step towards a minimum."""

    def move(self, target: Movable, state: State) -> None:
        """Change the coordinates of `target`, and `state`, which is empty before the first step."""
        ...


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS: J. Nocedal, *Math. Comp.* **35**, 773 (1980).

    Parameters
    ----------
    max_step_angstrom : no row of coordinates moves farther in one step
    memory : number of steps that the curvature is learnt from
    """

    max_step_angstrom: float = 0.2
    memory: int = 100

    def move(self, target: Movable, state: State) -> None:
        """Take one step."""
        x, forces = target.get_positions(), target.get_forces()
        if state:
            for name, change in (("s", x - state["x"]), ("y", state["forces"] - forces)):
                history = np.concatenate([state[name], change.reshape(1, -1)])
                state[name] = history[-self.memory :]
        else:
            state["s"] = state["y"] = np.empty((0, x.size))
        state["x"], state["forces"] = x, forces
        step = _two_loops(forces.ravel(), state["s"], state["y"]).reshape(x.shape)
        target.set_positions(x + _limited(step, self.max_step_angstrom))


def _two_loops(forces: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the inverse Hessian, as the history knows it, times the forces."""
    q = forces.copy()
    rho = 1.0 / np.einsum("ij,ij->i", s, y)
    alpha = np.empty(len(s))
    for i in range(len(s) - 1, -1, -1):
        alpha[i] = rho[i] * (s[i] @ q)
        q -= alpha[i] * y[i]
    q /= _CURVATURE
    for i in range(len(s)):
        q += s[i] * (alpha[i] - rho[i] * (y[i] @ q))
    return q


@dataclass(frozen=True)
class BFGS:
    """BFGS with the whole Hessian; negative curvatures count as positive. For up to ~1000 atoms.

    Parameters
    ----------
    max_step_angstrom : no row of coordinates moves farther in one step
    """

    max_step_angstrom: float = 0.2

    def move(self, target: Movable, state: State) -> None:
        """Take one step."""
        x, forces = target.get_positions(), target.get_forces()
        hessian = state.get("hessian", _CURVATURE * np.eye(x.size))
        if state:
            dx = (x - state["x"]).ravel()
            dg = (state["forces"] - forces).ravel()
            if np.abs(dx).max() >= 1e-7:
                push = hessian @ dx
                hessian = (
                    hessian + np.outer(dg, dg) / (dx @ dg) - np.outer(push, push) / (dx @ push)
                )
        state["x"], state["forces"], state["hessian"] = x, forces, hessian
        curvatures, modes = np.linalg.eigh(hessian)
        step = (modes @ (forces.ravel() @ modes / np.abs(curvatures))).reshape(x.shape)
        target.set_positions(x + _limited(step, self.max_step_angstrom))


@dataclass(frozen=True)
class FIRE:
    """Fast inertial relaxation: E. Bitzek et al., *Phys. Rev. Lett.* **97**, 170201 (2006).

    Parameters
    ----------
    max_step_angstrom : length of the longest step, over all coordinates together
    """

    max_step_angstrom: float = 0.2

    def move(self, target: Movable, state: State) -> None:
        """Take one step."""
        x, forces = target.get_positions(), target.get_forces()
        if not state:
            state["velocity"] = np.zeros_like(forces)
            state["time"], state["mixing"] = np.array(0.1), np.array(0.1)
            state["downhill"] = np.array(0)
        else:
            self._adapt(forces, state)
        state["velocity"] = state["velocity"] + state["time"] * forces
        step = state["time"] * state["velocity"]
        length = np.linalg.norm(step)
        if length > self.max_step_angstrom:
            step = step * (self.max_step_angstrom / length)
        target.set_positions(x + step)

    @staticmethod
    def _adapt(forces: np.ndarray, state: State) -> None:
        """Turn the velocity towards the forces and speed up, or stop if it leads uphill."""
        velocity = state["velocity"]
        if np.vdot(forces, velocity) > 0.0:
            mixing = float(state["mixing"])
            speed = np.linalg.norm(velocity) / np.linalg.norm(forces)
            state["velocity"] = (1.0 - mixing) * velocity + mixing * speed * forces
            if state["downhill"] > 5:
                state["time"] = np.minimum(1.1 * state["time"], 1.0)
                state["mixing"] = 0.99 * state["mixing"]
            state["downhill"] = state["downhill"] + 1
        else:
            state["velocity"] = np.zeros_like(velocity)
            state["mixing"], state["time"] = np.array(0.1), 0.5 * state["time"]
            state["downhill"] = np.array(0)


@dataclass(frozen=True)
class PreconLBFGS:
    """ASE's preconditioned LBFGS with line search, for large and mostly crystalline structures.

    D. Packwood et al., *J. Chem. Phys.* **144**, 164109 (2016). Needs energies as well as forces.
    Below 100 atoms there is no preconditioner, only the line search.

    Parameters
    ----------
    max_step_angstrom : no atom moves farther in one step
    """

    max_step_angstrom: float = 0.04

    def move(self, target: Any, state: State) -> None:
        """Take one step; what ASE's object knows is put into it before, and taken out after."""
        known: dict[str, Any] = dict.fromkeys(("mu", "mu_c", "r_NN", "r_cut"))
        known |= {name: float(state[name]) for name in known if name in state}
        large = len(target) >= _PRECONDITIONED_ATOMS
        precon: Any = Exp(**known, solver="direct") if large else None
        quiet: Any = None
        method: Any = _LineSearching(
            target, logfile=quiet, precon=precon, maxstep=self.max_step_angstrom
        )
        if state:
            method._just_reset_hessian = bool(state["was_reset"])
            for name in ("s", "y", "rho"):
                setattr(method, name, list(state[name]))
            for name in ("r0", "f0", "e0", "e1"):
                value = state.get(name)
                setattr(method, name, value if value is None or value.ndim else float(value))
        try:
            method.step()
        except _CalculationFailed as failed:
            raise failed.error from failed
        size = 3 * len(target)
        state["was_reset"] = np.array(method._just_reset_hessian)
        state["s"] = np.reshape(method.s, (-1, size))
        state["y"] = np.reshape(method.y, (-1, size))
        state["rho"] = np.array(method.rho, dtype=np.float64)
        kept = {name: getattr(method, name) for name in ("r0", "f0", "e0", "e1")}
        kept |= {name: getattr(precon, name, None) for name in known}
        state |= {name: np.array(value) for name, value in kept.items() if value is not None}


class _CalculationFailed(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _LineSearching(AsePreconLBFGS):
    """ASE's method; it takes errors of a calculator for those of its line search, this does not."""

    def func(self, x: np.ndarray) -> float:
        """Return the energy at other coordinates."""
        try:
            return super().func(x)
        except (RuntimeError, ValueError) as error:
            raise _CalculationFailed(error) from error


def _limited(step: np.ndarray, max_step: float) -> np.ndarray:
    """Shorten a step so that no row of it is longer than `max_step`."""
    longest = np.linalg.norm(step, axis=1).max(initial=0.0)
    return step * (max_step / longest) if longest >= max_step else step


OPTIMIZERS: Final[dict[str, Optimizer]] = {
    "LBFGS": LBFGS(),
    "FIRE": FIRE(),
    "BFGS": BFGS(),
    "PreconLBFGS": PreconLBFGS(),
}
