"""Lattice vibrations by finite displacements: supercells to label, force constants from them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

import zn_pipeline as zn
from nodes.extras import require
from nodes.structures.checks import require_crystal

if TYPE_CHECKING:
    import pandas as pd


class BuildPhononDisplacements(zn.Node):
    """Build supercells with one displaced atom each, as few as the symmetry of the crystal allows.

    By phonopy: A. Togo, *J. Phys. Soc. Jpn.* **92**, 012001 (2023). Label ``frames`` and give them
    to `FitPhonons` together with ``cells``; of their own they are training data around a crystal.

    Parameters
    ----------
    structures : crystals at rest; they are not modified
    supercell_matrix : three rows of integers, the lattice vectors of the supercell in units of
        those of the crystal; or three integers for a diagonal matrix
    distance_angstrom : length of each displacement
    strains : linear isotropic strains of the cell; 0.01 makes each edge 1 % longer

    Attributes
    ----------
    cells : ``len(structures) * len(strains)`` strained crystals; ``info`` has ``strain`` and
        ``supercell_matrix`` (3, 3)
    frames : displaced supercells; ``info["phonon_cell"]`` is the row of `cells` they belong to

    Raises
    ------
    ValueError
        If a structure is not periodic along all axes, or a value is out of range.
    MissingExtraError
        If phonopy is not installed.
    """

    structures: list[Atoms] = zn.deps()
    supercell_matrix: list[int] | list[list[int]] = zn.params([2, 2, 2])
    distance_angstrom: float = zn.params(0.01)
    strains: list[float] = zn.params([0.0])
    cells: list[Atoms] = zn.outs()
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        matrix = self._matrix()
        if self.distance_angstrom <= 0:
            raise ValueError(
                "BuildPhononDisplacements.distance_angstrom must be positive, "
                f"received {self.distance_angstrom}"
            )
        if min(self.strains, default=-1.0) <= -1.0:
            raise ValueError(
                "BuildPhononDisplacements.strains must hold one or more numbers above -1, "
                f"received {self.strains}"
            )
        self.cells, self.frames = [], []
        for row, crystal in enumerate(self.structures):
            require_crystal(self, crystal, row)
            for strain in self.strains:
                cell = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
                cell.set_cell(crystal.cell.array * (1.0 + strain), scale_atoms=True)
                cell.info.update(strain=float(strain), supercell_matrix=matrix)
                phonons = _phonopy(cell)
                phonons.generate_displacements(distance=self.distance_angstrom)
                for supercell in phonons.supercells_with_displacements:
                    frame = _atoms(supercell)
                    frame.info["phonon_cell"] = len(self.cells)
                    self.frames.append(frame)
                self.cells.append(cell)

    def _matrix(self) -> np.ndarray:
        """Return the integer matrix of the supercell, shape (3, 3)."""
        matrix = np.array(self.supercell_matrix, np.int64)
        matrix = np.diag(matrix) if matrix.shape == (3,) else matrix
        if matrix.shape != (3, 3) or round(np.linalg.det(matrix)) < 1:
            raise ValueError(
                "BuildPhononDisplacements.supercell_matrix must be three integers or three rows of "
                f"three with a positive determinant, received {self.supercell_matrix}"
            )
        return matrix


class FitPhonons(zn.Node):
    """Compute force constants, phonon frequencies and thermal properties from labelled supercells.

    Parameters
    ----------
    cells : ``cells`` of `BuildPhononDisplacements`
    structures : its ``frames``, labelled with forces, in any order
    mesh : numbers of wave vectors along the reciprocal axes; the mesh contains Gamma
    temperatures_k : temperatures of the thermal properties

    Attributes
    ----------
    frequencies : for row k of `cells`: ``frequencies_k`` (n_q, 3 n) THz, imaginary ones negative;
        ``q_k`` (n_q, 3) wave vectors in reciprocal lattice units; ``weights_k`` (n_q,)
    force_constants : ``cell_k`` (N, N, 3, 3) eV/Angstrom^2 between the atoms of the supercell, in
        the order of the labelled structures
    thermal : one row per cell and temperature: cell, strain, temperature_k, free_energy_ev,
        entropy_ev_per_k, heat_capacity_ev_per_k; all of one cell; harmonic,
        without imaginary modes and rigid shifts
    metrics : for each cell min_frequency_thz and zero_point_energy_ev

    Raises
    ------
    ValueError
        If structures have no forces or do not belong to the cells.
    MissingExtraError
        If phonopy is not installed.
    """

    cells: list[Atoms] = zn.deps()
    structures: list[Atoms] = zn.deps()
    mesh: tuple[int, int, int] = zn.params((20, 20, 20))
    temperatures_k: list[float] = zn.params([float(t) for t in range(0, 1001, 50)])
    frequencies: dict[str, np.ndarray] = zn.outs()
    force_constants: dict[str, np.ndarray] = zn.outs()
    thermal: "pd.DataFrame" = zn.plots(
        x="temperature_k",
        y=["free_energy_ev"],
        x_label="temperature (K)",
        y_label="free energy (eV)",
        title="Phonons",
    )
    metrics: dict[str, list[float]] = zn.metrics()

    def run(self) -> None:
        import pandas as pd

        from nodes.numerics.normal_modes import harmonic_thermodynamics

        if min(self.mesh) < 1 or min(self.temperatures_k, default=-1.0) < 0:
            raise ValueError(
                "FitPhonons.mesh must be three numbers from 1 and temperatures_k one or more from "
                f"0, received {self.mesh} and {self.temperatures_k}"
            )
        self.frequencies, self.force_constants, tables = {}, {}, []
        self.metrics = {"min_frequency_thz": [], "zero_point_energy_ev": []}
        owners = [int(frame.info.get("phonon_cell", -1)) for frame in self.structures]
        for row, cell in enumerate(self.cells):
            places = [place for place, owner in enumerate(owners) if owner == row]
            phonons = _fitted(cell, row, [(place, self.structures[place]) for place in places])
            phonons.run_mesh(list(self.mesh), is_gamma_center=True)
            mesh = phonons.mesh
            self.frequencies[f"frequencies_{row}"] = mesh.frequencies
            self.frequencies[f"q_{row}"] = mesh.qpoints
            self.frequencies[f"weights_{row}"] = mesh.weights
            self.force_constants[f"cell_{row}"] = np.array(phonons.force_constants)
            temperatures = np.array([0.0, *self.temperatures_k])
            free, entropy, heat = harmonic_thermodynamics(
                mesh.frequencies, mesh.weights, temperatures
            )
            self.metrics["min_frequency_thz"].append(float(mesh.frequencies.min()))
            self.metrics["zero_point_energy_ev"].append(float(free[0]))
            table = {
                "cell": row,
                "strain": float(cell.info["strain"]),
                "temperature_k": temperatures,
                "free_energy_ev": free,
                "entropy_ev_per_k": entropy,
                "heat_capacity_ev_per_k": heat,
            }
            tables.append(pd.DataFrame(table)[1:])
        self.thermal = pd.concat(tables, ignore_index=True)


def _phonopy(cell: Atoms) -> Any:
    """Return phonopy's object for a crystal and the supercell in its info."""
    phonopy = require("phonopy", extra="phonons")
    structure = require("phonopy.structure.atoms", extra="phonons")
    unit = structure.PhonopyAtoms(
        numbers=cell.numbers,
        cell=cell.cell.array,
        scaled_positions=cell.get_scaled_positions(),
        masses=cell.get_masses(),
    )
    # phonopy has lattice vectors as columns.
    matrix = np.asarray(cell.info["supercell_matrix"]).T
    return phonopy.Phonopy(unit, supercell_matrix=matrix, primitive_matrix=np.eye(3))


def _atoms(structure: Any) -> Atoms:
    """Return a structure of phonopy as Atoms."""
    return Atoms(
        numbers=structure.numbers, positions=structure.positions, cell=structure.cell, pbc=True
    )


def _fitted(cell: Atoms, row: int, members: Sequence[tuple[int, Atoms]]) -> Any:
    """Return phonopy's object with the force constants of one cell."""
    if not members:
        raise ValueError(
            f'FitPhonons.structures must hold structures with info["phonon_cell"] = {row}, one of '
            "the rows of cells, received none; label the frames of BuildPhononDisplacements"
        )
    phonons = _phonopy(cell)
    ideal = _atoms(phonons.supercell)
    displaced = []
    for place, frame in members:
        if len(frame) != len(ideal) or (frame.numbers != ideal.numbers).any():
            raise ValueError(
                f"FitPhonons.structures must be supercells of cells, received "
                f"{frame.get_chemical_formula()} in row {place} for the supercell "
                f"{ideal.get_chemical_formula()}"
            )
        if frame.calc is None or "forces" not in frame.calc.results:
            raise ValueError(
                "FitPhonons.structures must be labelled with forces, received none in row "
                f"{place}; label them with LabelFrames"
            )
        vectors, lengths = find_mic(frame.positions - ideal.positions, ideal.cell)
        moved = np.flatnonzero(lengths > 1e-6)
        if len(moved) != 1:
            raise ValueError(
                "FitPhonons.structures must have one displaced atom each, received "
                f"{len(moved)} in row {place}"
            )
        displaced.append(
            {
                "number": int(moved[0]),
                "displacement": vectors[moved[0]],
                "forces": frame.calc.results["forces"],
            }
        )
    phonons.dataset = {"natom": len(ideal), "first_atoms": displaced}
    phonons.produce_force_constants(show_drift=False)
    phonons.symmetrize_force_constants(show_drift=False)
    return phonons
