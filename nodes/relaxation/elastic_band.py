"""Paths of lowest energy between minima, and their barriers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.relaxation.band import RelaxBand
from nodes.relaxation.relax import check_choice

if TYPE_CHECKING:
    import pandas as pd


class NudgedElasticBand(zn.Node):
    """Find paths of lowest energy between minima by nudged elastic bands with a climbing image.

    Give the ends of each path by `initial` and `final`, or all its images by `bands`. Bands are
    independent, and one that was killed goes on from its last checkpoint.

    Parameters
    ----------
    calculator : a calculator spec, or a node with a trained model
    initial, final : ends of the paths, one path for each pair; relaxed before, not modified
    bands : paths, each a list of images with its ends; not modified
    n_images : images between the ends of each pair
    fmax_ev_per_angstrom : converged when no atom of an image feels a larger force of the band
    max_steps : limit on the number of steps of a band
    climb : bring the highest image to the saddle point; without, barriers are too low
    method : ``"improvedtangent"``, ``"eb"`` (full spring force) or ``"aseneb"``
    interpolation : first guess between a pair, ``"idpp"`` or ``"linear"``
    spring_ev_per_angstrom2 : spring constant between neighbouring images
    optimizer : ``"FIRE"``, ``"LBFGS"`` or ``"BFGS"``
    share_calculator : one calculator for all images of a band, instead of one for each
    checkpoint_interval : steps between checkpoints
    on_error : ``"raise"``, or ``"record"`` to leave out bands that failed

    Attributes
    ----------
    frames : images of all bands, ends included, one band after the other, with energy (eV) and
        forces (eV/Angstrom) of the calculator; ``info`` has image, step and converged
    rows : shape (n_frames,), number of the band that an image is of
    barriers : for each band row, barrier_ev (highest image above the first), reverse_barrier_ev
        (above the last), reaction_energy_ev (last above first), saddle_image, n_steps, converged
    profile : one row per image: band, image, path_angstrom (along the band) and energy_ev, relative
        to the first image
    failures : one entry ``{"row": ..., "kind": ..., "reason": ...}`` for each band that failed
    metrics : n_bands, n_converged, n_not_converged, n_failed, max_barrier_ev, min_barrier_ev

    Raises
    ------
    ValueError
        If settings are out of range, or images do not belong to one path.
    """

    calculator: HasCalculator = zn.deps()
    initial: list[Atoms] | None = zn.deps(None)
    final: list[Atoms] | None = zn.deps(None)
    bands: list[list[Atoms]] | None = zn.deps(None)
    n_images: int = zn.params(5)
    fmax_ev_per_angstrom: float = zn.params(0.05)
    max_steps: int = zn.params(500)
    climb: bool = zn.params(True)
    method: Literal["improvedtangent", "eb", "aseneb"] = zn.params("improvedtangent")
    interpolation: Literal["idpp", "linear"] = zn.params("idpp")
    spring_ev_per_angstrom2: float = zn.params(0.1)
    optimizer: Literal["FIRE", "LBFGS", "BFGS"] = zn.params("FIRE")
    share_calculator: bool = zn.params(False)
    checkpoint_interval: int = zn.params(10)
    on_error: Literal["raise", "record"] = zn.params("raise")
    frames: list[Atoms] = zn.outs()
    rows: np.ndarray = zn.outs()
    barriers: list[dict[str, Any]] = zn.outs()
    profile: "pd.DataFrame" = zn.plots(
        x="path_angstrom",
        y=["energy_ev"],
        x_label="path (Angstrom)",
        y_label="energy (eV)",
        title="Paths of lowest energy",
    )
    failures: list[dict[str, Any]] = zn.outs()
    metrics: dict[str, Any] = zn.metrics()

    def run(self) -> None:
        check_choice("on_error", self.on_error, ("raise", "record"))
        given = self._given()
        relax = RelaxBand(
            calculator=self.calculator,
            n_images=self.n_images,
            fmax_ev_per_angstrom=self.fmax_ev_per_angstrom,
            max_steps=self.max_steps,
            climb=self.climb,
            method=self.method,
            interpolation=self.interpolation,
            spring_ev_per_angstrom2=self.spring_ev_per_angstrom2,
            optimizer=self.optimizer,
            share_calculator=self.share_calculator,
            checkpoint_interval=self.checkpoint_interval,
        )
        results = self.map(relax, given, on_error=self.on_error)
        self.frames = results
        self.rows = results.rows
        images = list(results)
        bands = {
            int(row): [images[k] for k in np.flatnonzero(self.rows == row)]
            for row in np.unique(self.rows)
        }
        self.barriers = [_barrier(row, band) for row, band in bands.items()]
        self.profile = _profile(bands)
        self.failures = [
            {
                "row": failure.row,
                "kind": failure.kind,
                "reason": f"{failure.type}: {failure.message}",
            }
            for failure in results.failures
        ]
        heights = [barrier["barrier_ev"] for barrier in self.barriers]
        n_converged = sum(barrier["converged"] for barrier in self.barriers)
        self.metrics = {
            "n_bands": len(given),
            "n_converged": n_converged,
            "n_not_converged": len(bands) - n_converged,
            "n_failed": len(self.failures),
            "max_barrier_ev": max(heights, default=None),
            "min_barrier_ev": min(heights, default=None),
        }

    def _given(self) -> list[list[Atoms]]:
        """Return the bands as lists of images."""
        initial, final, bands = self.initial, self.final, self.bands
        if (bands is None) == (initial is None) or (initial is None) != (final is None):
            raise ValueError(
                "paths must be given either by initial and final or by bands, received "
                f"initial {_shown(initial)}, final {_shown(final)}, bands {_shown(bands)}"
            )
        if bands is not None:
            return [list(band) for band in bands]
        assert initial is not None
        assert final is not None
        if len(initial) != len(final):
            raise ValueError(
                f"initial and final must be pairs, received {len(initial)} and {len(final)}"
            )
        return [list(pair) for pair in zip(initial, final, strict=True)]


def _shown(given: Sequence[Any] | None) -> str:
    return "None" if given is None else f"of {len(given)}"


def _barrier(row: int, band: list[Atoms]) -> dict[str, Any]:
    """Return heights along a band."""
    energies = [image.get_potential_energy() for image in band]
    top = int(np.argmax(energies))
    return {
        "row": row,
        "barrier_ev": energies[top] - energies[0],
        "reverse_barrier_ev": energies[top] - energies[-1],
        "reaction_energy_ev": energies[-1] - energies[0],
        "saddle_image": top,
        "n_steps": band[0].info["step"],
        "converged": band[0].info["converged"],
    }


def _profile(bands: dict[int, list[Atoms]]) -> "pd.DataFrame":
    """Return energies against the length of the path."""
    import pandas as pd

    rows = []
    for row, band in bands.items():
        length = 0.0
        for number, image in enumerate(band):
            if number:
                moved = image.positions - band[number - 1].positions
                pbc: Any = image.pbc
                length += float(np.linalg.norm(find_mic(moved, image.cell, pbc)[0]))
            height = image.get_potential_energy() - band[0].get_potential_energy()
            rows.append((row, number, length, height))
    return pd.DataFrame(rows, columns=["band", "image", "path_angstrom", "energy_ev"])
