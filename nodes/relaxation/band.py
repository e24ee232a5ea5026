"""One path between two minima: a function of its images that can be killed and goes on."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.mep import NEB

from nodes.interfaces import HasCalculator
from nodes.long_runs import Checkpoint, StepClock, forget, own_calculator, with_results
from nodes.relaxation.optimizers import OPTIMIZERS
from nodes.relaxation.relax import RelaxationError, check_choice

__all__ = ["RelaxBand", "check_band"]

_CLIMB_BELOW = 0.5
"""The highest image climbs once no force on the band is larger, eV/Angstrom."""


@dataclass(frozen=True)
class RelaxBand:
    """Relax a band of images: called with them, or with its two ends, returns the relaxed images.

    Nudged elastic band with the tangents of G. Henkelman, H. Jonsson, *J. Chem. Phys.* **113**,
    9978 (2000), and the climbing image of G. Henkelman et al., *ibid.* 9901. With a folder
    `scratch` it can be killed and goes on from its last checkpoint.

    Parameters
    ----------
    calculator : gives energies and forces
    n_images : images between the ends, where the ends alone are given
    fmax_ev_per_angstrom : converged when no atom of an image feels a larger force of the band
    max_steps : limit on the number of steps of the band
    climb : bring the highest image to the saddle point
    method : ``"improvedtangent"``, ``"eb"`` (full spring force) or ``"aseneb"``
    interpolation : first guess between the ends, ``"idpp"`` (S. Smidstrup et al., *JCP* **140**,
        214106 (2014)) or ``"linear"``
    spring_ev_per_angstrom2 : spring constant between neighbouring images
    optimizer : ``"FIRE"``, ``"LBFGS"`` or ``"BFGS"``
    share_calculator : one calculator for all images, instead of one for each
    checkpoint_interval : steps between checkpoints, where calculators are reset
    """

    calculator: HasCalculator
    n_images: int = 5
    fmax_ev_per_angstrom: float = 0.05
    max_steps: int = 500
    climb: bool = True
    method: Literal["improvedtangent", "eb", "aseneb"] = "improvedtangent"
    interpolation: Literal["idpp", "linear"] = "idpp"
    spring_ev_per_angstrom2: float = 0.1
    optimizer: Literal["FIRE", "LBFGS", "BFGS"] = "FIRE"
    share_calculator: bool = False
    checkpoint_interval: int = 10

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("improvedtangent", "eb", "aseneb"))
        check_choice("interpolation", self.interpolation, ("idpp", "linear"))
        check_choice("optimizer", self.optimizer, ("FIRE", "LBFGS", "BFGS"))
        positive = ("n_images", "fmax_ev_per_angstrom", "spring_ev_per_angstrom2")
        for name in (*positive, "checkpoint_interval"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, received {getattr(self, name)}")
        if self.max_steps < 0:
            raise ValueError(f"max_steps must be 0 or more, received {self.max_steps}")

    def __call__(self, images: list[Atoms], scratch: Path | None = None) -> list[Atoms]:
        """Return all images, the ends included, with energies and forces of the calculator.

        ``info`` of each has its number as image, and step and converged of the band.

        Parameters
        ----------
        images : the two ends alone, or all images; not modified
        scratch : folder of the checkpoint
        """
        check_band(images)
        path = self._path(images)
        with ExitStack() as stack:
            calculators = self._calculators(len(path), scratch, stack)
            run = _Run(self, path, calculators, Checkpoint(scratch, "band", *images))
            converged = run.advance()
            frames = [with_results(image) for image in path]
        for number, frame in enumerate(frames):
            frame.info |= {"image": number, "step": run.step, "converged": converged}
        return frames

    def _calculators(
        self, n_images: int, scratch: Path | None, stack: ExitStack
    ) -> list[BaseCalculator]:
        """Return the calculator of each image, one for all or all of their own."""
        if self.share_calculator:
            return [stack.enter_context(own_calculator(self.calculator, scratch))] * n_images
        places = [scratch and scratch / f"image-{number:03d}" for number in range(n_images)]
        return [stack.enter_context(own_calculator(self.calculator, place)) for place in places]

    def _path(self, given: list[Atoms]) -> list[Atoms]:
        """Return copies of the images, interpolated where the ends alone are given."""
        if len(given) > 2:
            return [image.copy() for image in given]
        path = [given[0].copy() for _ in range(self.n_images + 1)] + [given[1].copy()]
        guess = NEB(path, method="improvedtangent")
        guess.interpolate(self.interpolation, mic=bool(path[0].pbc.any()), apply_constraint=False)
        return path


class _Run:
    """A band on its way to the path of lowest energy."""

    def __init__(
        self,
        spec: RelaxBand,
        path: list[Atoms],
        calculators: list[BaseCalculator],
        checkpoint: Checkpoint,
    ) -> None:
        self.spec = spec
        self.path = path
        self.calculators = calculators
        self.checkpoint = checkpoint
        self.band = NEB(
            path,
            k=spec.spring_ev_per_angstrom2,
            climb=False,
            method=spec.method,
            allow_shared_calculator=spec.share_calculator,
        )
        self.step = 0
        self.state: dict[str, np.ndarray] = {}
        self.forces: np.ndarray | None = None
        saved = checkpoint.load()
        if saved is not None:
            self.step = saved.values["step"]
            self.band.climb = saved.values["climb"]
            self.state = {
                name.removeprefix("state:"): array
                for name, array in saved.arrays.items()
                if name.startswith("state:")
            }
            for image, positions in zip(path, saved.arrays["positions"], strict=True):
                image.positions = positions
        for number, (image, calculator) in enumerate(zip(path, calculators, strict=True)):
            image.calc = calculator
            if number in (0, len(path) - 1):  # the ends do not move: computed once
                ends = None if saved is None else saved.arrays
                _freeze(image, ends, -1 if number else 0)

    def advance(self) -> bool:
        """Go on until it is converged or has taken all its steps; return whether it is."""
        spec, band = self.spec, self.band
        optimizer = OPTIMIZERS[spec.optimizer]
        clock = StepClock(spec.checkpoint_interval)
        begin = self.step
        while True:
            largest = float(np.linalg.norm(self.get_forces(), axis=1).max(initial=0.0))
            if not np.isfinite(largest):
                raise RelaxationError(
                    f"forces must be finite, received NaN or infinity at step {self.step}; "
                    "correct the images or the calculator"
                )
            calm = largest <= max(_CLIMB_BELOW, spec.fmax_ev_per_angstrom)
            if spec.climb and not band.climb and calm:
                band.climb, self.state, self.forces = True, {}, None
                continue
            converged = largest <= spec.fmax_ev_per_angstrom
            if converged or self.step >= spec.max_steps:
                return converged
            if self.step > begin and clock.due(self.step):
                self._save()
                clock.stop_if_late(self.step, spec.max_steps)
            optimizer.move(self, self.state)
            self.step += 1

    def get_positions(self) -> np.ndarray:
        """Return positions of all images between the ends, one below the other."""
        return self.band.get_positions()

    def set_positions(self, newpositions: np.ndarray) -> None:
        """Move the images between the ends."""
        self.band.set_positions(newpositions)
        self.forces = None

    def get_forces(self) -> np.ndarray:
        """Return the forces of the band, computed once at each step also by a shared calculator."""
        if self.forces is None:
            self.forces = self.band.get_forces()
        return self.forces

    def _save(self) -> None:
        ends = (self.path[0], self.path[-1])
        arrays = {
            "positions": np.array([image.positions for image in self.path]),
            "end_energies": np.array([image.get_potential_energy() for image in ends]),
            "end_forces": np.array([image.get_forces(apply_constraint=False) for image in ends]),
            **{f"state:{name}": value for name, value in self.state.items()},
        }
        self.checkpoint.save(arrays, {"step": self.step, "climb": self.band.climb})
        self.forces = None
        for calculator in self.calculators:
            forget(calculator)


def _freeze(image: Atoms, saved: dict[str, np.ndarray] | None, number: int) -> None:
    """Give an end of the band its results for good, computed or as saved."""
    if saved is None:
        end: Any = with_results(image).calc
        results = end.results
    else:
        results = {
            "energy": float(saved["end_energies"][number]),
            "forces": saved["end_forces"][number],
        }
    image.calc = SinglePointCalculator(image, energy=results["energy"], forces=results["forces"])


def check_band(images: list[Atoms]) -> None:
    """Raise ValueError if images do not belong to one path."""
    if len(images) < 2:
        raise ValueError(f"a band must have at least its two ends, received {len(images)} images")
    first = images[0]
    for number, image in enumerate(images):
        if len(image) != len(first) or (image.numbers != first.numbers).any():
            raise ValueError(
                "images of a band must have the same elements in the same order, received "
                f"{first.get_chemical_formula(mode='reduce')} in image 0 and "
                f"{image.get_chemical_formula(mode='reduce')} in image {number}"
            )
        if (image.pbc != first.pbc).any() or not np.allclose(image.cell, first.cell, atol=1e-8):
            raise ValueError(
                f"images of a band must have one cell, received another one in image {number}"
            )
