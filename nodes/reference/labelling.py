"""Label structures with energies, forces and stresses."""

from typing import Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.labels import Labeller, raise_first_failure


class LabelFrames(zn.Node):
    """Compute properties of structures, in order, each from a freshly reset calculator.

    Parameters
    ----------
    structures : structures to label; they are not modified
    calculator : a calculator spec, or a node with a trained model
    properties : ASE names of the properties to keep: energy (eV), forces (eV/Angstrom),
        stress (eV/Angstrom^3, Voigt order xx, yy, zz, yz, xz, xy), ...
    on_error : ``"raise"`` stops at the first structure that fails; ``"record"`` leaves it out and
        records why

    Attributes
    ----------
    frames : labelled structures in the order of `structures`; ``frames[k]`` is structure
        ``rows[k]`` with its results in a SinglePointCalculator
    rows : shape (n_labelled,), rows of `structures` that were labelled, ascending
    failures : one entry ``{"row": ..., "reason": ...}`` for each structure that failed
    metrics : n_labelled, n_failed

    Raises
    ------
    LabellingError
        If a structure fails under ``on_error="raise"``, or all of them fail.
    ValueError
        If the calculator does not know one of the properties.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    properties: list[str] = zn.params(["energy", "forces"])
    on_error: Literal["raise", "record"] = zn.params("raise")
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, int] = zn.metrics()

    def run(self) -> None:
        if self.on_error not in ("raise", "record"):
            raise ValueError(f'on_error must be "raise" or "record", received {self.on_error!r}')
        labeller = Labeller(self.calculator, tuple(self.properties), self.scratch / "calculator")
        labeller.check()
        structures = list(self.structures)
        outcomes = self.map(labeller, structures)
        failed = [row for row, outcome in enumerate(outcomes) if isinstance(outcome, str)]
        if self.on_error == "raise" or len(failed) == len(structures):
            raise_first_failure(structures, outcomes)
        self.failures = [{"row": row, "reason": outcomes[row]} for row in failed]
        self.rows = np.setdiff1d(np.arange(len(structures)), failed)
        self.frames = [outcomes[row] for row in self.rows]
        self.metrics = {"n_labelled": len(self.frames), "n_failed": len(failed)}
