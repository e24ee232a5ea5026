"""Label structures with energies, forces and stresses."""

import contextlib
from typing import Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasCalculator


class LabelFrames(zn.Node):
    """Compute properties of structures, each from a freshly reset calculator.

    What was computed before with the same settings is not computed again, in whatever run and under
    whatever name of the node.

    Parameters
    ----------
    structures : structures to label; they are not modified
    calculator : a calculator spec, or a node with a trained model
    properties : ASE names of the properties to keep: energy (eV), forces (eV/Angstrom),
        stress (eV/Angstrom^3, Voigt order xx, yy, zz, yz, xz, xy), ...
    on_error : all structures are tried in either case; ``"raise"`` fails afterwards if there were
        failures, ``"record"`` leaves them out and records why
    max_failures : under ``"raise"``, so many failures are recorded all the same: a number, or a
        fraction of the structures below 1

    Attributes
    ----------
    frames : labelled structures in the order of `structures`; ``frames[k]`` is structure
        ``rows[k]`` with its results in a SinglePointCalculator
    rows : shape (n_labelled,), rows of `structures` that were labelled, ascending
    failures : for each structure that failed: row, kind (calculation, infrastructure, timeout,
        memory, killed), type, message, attempts, host, kept_files
    metrics : n_labelled, n_failed

    Raises
    ------
    MapFailedError
        If more structures fail than are allowed, or all of them.
    ValueError
        If the calculator does not know one of the properties.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    properties: list[str] = zn.params(["energy", "forces"])
    on_error: Literal["raise", "record"] = zn.params("raise")
    max_failures: int | float | None = zn.params(None)
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, int] = zn.metrics()

    def run(self) -> None:
        if self.on_error not in ("raise", "record"):
            raise ValueError(f'on_error must be "raise" or "record", received {self.on_error!r}')
        evaluate = zn.Evaluate(self.calculator, tuple(self.properties))
        with contextlib.suppress(zn.MissingExtraError):  # it may be there where the work is done
            evaluate.check()
        results = self.map(
            evaluate, self.structures, on_error=self.on_error, max_failures=self.max_failures
        )
        if results.failures and not len(results):
            raise zn.MapFailedError(
                "at least one structure must be labelled, received failures alone:\n"
                + "\n".join(str(failure) for failure in results.failures[:10])
            )
        self.frames = results
        self.rows = results.rows
        self.failures = [recorded(failure) for failure in results.failures]
        self.metrics = {"n_labelled": len(results), "n_failed": len(results.failures)}


def recorded(failure: zn.Failure) -> dict[str, Any]:
    """Return what is kept of a failure, as plain values."""
    names = ("row", "kind", "type", "message", "attempts", "host")
    return {name: getattr(failure, name) for name in names} | {
        "kept_files": [str(path) for path in failure.kept_files]
    }
