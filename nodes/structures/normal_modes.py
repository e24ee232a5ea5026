"""Structures displaced along their vibrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from nodes.structures.checks import require_positive

if TYPE_CHECKING:
    from nodes.numerics.normal_modes import NormalModes


class SampleNormalModes(zn.Node):
    r"""Draw structures from the harmonic ensemble around minima of the energy.

    The Hessian comes from central differences of forces, each of the 6 N displaced structures an
    item of its own: computed in parallel, and once. Each mode gets a Gaussian amplitude with the
    width of a classical (:math:`\sqrt{k_B T} / \omega`) or a quantum oscillator. Rigid motion is
    left out: shifts, and rotations of structures without periodic axes.

    Parameters
    ----------
    structures : relaxed structures; they are not modified, constraints are ignored
    calculator : a calculator spec, or a node with a trained model
    temperature_k : of the ensemble
    n_per_frame : number of samples of each structure
    displacement_angstrom : step of the differences
    statistics : "classical" or "quantum"
    min_frequency_per_cm : softer modes, imaginary ones included, are not displaced
    seed : of the whole node; each structure has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : ``len(structures) * n_per_frame`` structures, the samples of a structure together;
        ``info["harmonic_energy_ev"]`` is the energy above the minimum in the harmonic picture
    frequencies_per_cm : for each structure, ascending; imaginary ones are negative
    metrics : n_displaced, n_soft (modes that are not displaced, over all structures)

    Raises
    ------
    ValueError
        If a value is out of range, or a structure has no mode that can be displaced.
    """

    structures: list[Atoms] = zn.deps()
    calculator: HasCalculator = zn.deps()
    temperature_k: float = zn.params(300.0)
    n_per_frame: int = zn.params(10)
    displacement_angstrom: float = zn.params(0.01)
    statistics: Literal["classical", "quantum"] = zn.params("classical")
    min_frequency_per_cm: float = zn.params(20.0)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    frequencies_per_cm: list[list[float]] = zn.outs()
    metrics: dict[str, int] = zn.metrics()

    def run(self) -> None:
        self._check()
        structures = list(self.structures)
        modes = self._modes(structures)
        noise = self.map(_Deviates(self.n_per_frame), structures, seed=self.seed, reads=())
        self.frames, soft = [], 0
        for row, (structure, found, deviates) in enumerate(
            zip(structures, modes, noise, strict=True)
        ):
            stiff = found.frequencies_per_cm > max(self.min_frequency_per_cm, 0.0)
            soft += int((~stiff).sum())
            if not stiff.any():
                raise ValueError(
                    "SampleNormalModes.structures must have a mode above min_frequency_per_cm = "
                    f"{self.min_frequency_per_cm}, received frequencies up to "
                    f"{found.frequencies_per_cm.max(initial=0.0):.1f} for "
                    f"{structure.get_chemical_formula()} in row {row}"
                )
            self.frames += self._samples(structure, found, stiff, deviates)
        self.frequencies_per_cm = [found.frequencies_per_cm.tolist() for found in modes]
        self.metrics = {"n_displaced": 6 * sum(map(len, structures)), "n_soft": soft}

    def _check(self) -> None:
        require_positive(self, "n_per_frame")
        if self.statistics not in ("classical", "quantum"):
            raise ValueError(
                'SampleNormalModes.statistics must be "classical" or "quantum", '
                f"received {self.statistics!r}"
            )
        if self.temperature_k < 0 or self.displacement_angstrom <= 0:
            raise ValueError(
                "SampleNormalModes.temperature_k must be 0 or more and displacement_angstrom "
                f"positive, received {self.temperature_k} and {self.displacement_angstrom}"
            )

    def _modes(self, structures: Sequence[Atoms]) -> "list[NormalModes]":
        """Return the vibrations of each structure."""
        from nodes.numerics.normal_modes import hessian_from_forces, normal_modes

        step = self.displacement_angstrom
        displaced = [moved for start in structures for moved in _displaced(start, step)]
        labelled = self.map(zn.Evaluate(self.calculator, properties=("forces",)), displaced)
        forces = iter(labelled)
        found = []
        for structure in structures:
            shape = (len(structure), 3, 2, len(structure), 3)
            own = [next(forces).calc.results["forces"] for _ in range(6 * len(structure))]
            signed = np.array(own).reshape(shape)
            hessian = hessian_from_forces(signed[:, :, 0], signed[:, :, 1], step)
            rotations = not structure.pbc.any()
            found.append(
                normal_modes(
                    hessian, structure.get_masses(), structure.positions, rotations=rotations
                )
            )
        return found

    def _samples(
        self, structure: Atoms, modes: "NormalModes", stiff: np.ndarray, deviates: np.ndarray
    ) -> list[Atoms]:
        """Return samples of one structure from standard normal deviates (n_per_frame, 3 n)."""
        from nodes.numerics.normal_modes import NormalModes, thermal_widths

        chosen = NormalModes(modes.angular[stiff], modes.displacements[stiff])
        widths = thermal_widths(chosen, self.temperature_k, quantum=self.statistics == "quantum")
        samples = []
        for row in deviates:
            amplitudes = widths * row[: len(stiff)][stiff]
            sample = structure.copy()
            sample.set_positions(
                structure.positions + np.tensordot(amplitudes, chosen.displacements, axes=1),
                apply_constraint=False,
            )
            sample.info["harmonic_energy_ev"] = float(
                0.5 * ((chosen.angular * amplitudes) ** 2).sum()
            )
            samples.append(sample)
        return samples


@dataclass(frozen=True)
class _Deviates:
    """Draw standard normal deviates for one structure, (n_copies, 3 n_atoms)."""

    n_copies: int

    def __call__(self, structure: Atoms, rng: np.random.Generator) -> np.ndarray:
        size = 3 * len(structure)
        return np.array([stream.standard_normal(size) for stream in rng.spawn(self.n_copies)])


def _displaced(structure: Atoms, step: float) -> list[Atoms]:
    """Return copies with one coordinate moved by plus, then minus the step, in Angstrom."""
    moved = []
    for atom in range(len(structure)):
        for axis in range(3):
            for sign in (1.0, -1.0):
                copy = structure.copy()
                copy.set_constraint()
                copy.positions[atom, axis] += sign * step
                moved.append(copy)
    return moved
