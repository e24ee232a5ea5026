"""Molecules from SMILES."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.extras import require
from nodes.structures.checks import require_positive

ForceField = Literal["none", "uff", "mmff"]


class BuildConformers(zn.Node):
    """Embed conformers of molecules by distance geometry (ETKDGv3).

    S. Wang et al., *J. Chem. Inf. Model.* **60**, 2044 (2020). Hydrogens are added. Formal
    charges become the initial charges (in e) of the atoms, so that a calculator can read the
    total charge from them.

    Parameters
    ----------
    smiles : the molecule, e.g. ``"CCO"``, or a list of molecules
    n_conformers : number of conformers to make of each molecule
    force_field : relax each conformer with this force field, or ``"none"``
    on_error : ``"raise"`` when a molecule cannot be built; ``"record"`` leaves it out and records
        why
    seed : of the whole node; each SMILES has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : molecules without a cell, those of a SMILES together; positions in Angstrom, centred
        at 0; ``info["smiles"]`` has the SMILES
    molecules : the same as one list for each SMILES, as `PackBox` takes them
    failures : one entry ``{"row": ..., "smiles": ..., "reason": ...}`` for each SMILES left out

    Raises
    ------
    MapFailedError
        If a SMILES cannot be read, the force field does not know an atom, or fewer conformers than
        asked can be embedded, under ``on_error="raise"``.
    ValueError
        If no molecule could be built at all.
    MissingExtraError
        If rdkit is not installed.
    """

    smiles: str | list[str] = zn.params()
    n_conformers: int = zn.params(1)
    force_field: ForceField = zn.params("none")
    on_error: Literal["raise", "record"] = zn.params("raise")
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()
    failures: list[dict[str, Any]] = zn.outs()

    def run(self) -> None:
        require("rdkit.Chem", extra="chem")
        require_positive(self, "n_conformers")
        smiles = [self.smiles] if isinstance(self.smiles, str) else list(self.smiles)
        embed = _Embed(self.n_conformers, self.force_field)
        results = self.map(embed, smiles, seed=self.seed, on_error=self.on_error)
        self.failures = [
            {"row": failed.row, "smiles": smiles[failed.row], "reason": failed.message}
            for failed in results.failures
        ]
        self.frames = results
        if len(self.frames) == 0:
            raise ValueError(
                "BuildConformers.smiles must have a molecule that can be built, received "
                f"{self.smiles!r}: {self.failures}"
            )

    @property
    def molecules(self) -> list[list[Atoms]]:
        """The conformers of each SMILES."""
        groups: dict[str, list[Atoms]] = {}
        for frame in self.frames:
            groups.setdefault(frame.info["smiles"], []).append(frame)
        return list(groups.values())


@dataclass(frozen=True)
class _Embed:
    """Embed the conformers of one SMILES."""

    n_conformers: int
    force_field: ForceField

    def __call__(self, smiles: str, rng: np.random.Generator) -> list[Atoms]:
        molecule = _embedded_molecule(smiles, self.n_conformers, rng)
        _relax(molecule, self.force_field)
        conformers = [
            _to_atoms(molecule, conformer.GetPositions()) for conformer in molecule.GetConformers()
        ]
        for conformer in conformers:
            conformer.info["smiles"] = smiles
        return conformers


def _embedded_molecule(smiles: str, n_conformers: int, rng: np.random.Generator) -> Any:
    """Return an rdkit molecule with hydrogens and `n_conformers` conformers."""
    chem = require("rdkit.Chem", extra="chem")
    distance_geometry = require("rdkit.Chem.rdDistGeom", extra="chem")
    molecule = chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise ValueError(f"smiles must be a readable SMILES string, received {smiles!r}")
    molecule = chem.AddHs(molecule)
    options = distance_geometry.ETKDGv3()
    # By default rdkit multiplies the seed by the number of the conformer: 0 makes them all equal.
    options.enableSequentialRandomSeeds = True
    options.randomSeed = int(rng.integers(2**30))
    made = len(distance_geometry.EmbedMultipleConfs(molecule, n_conformers, options))
    if made < n_conformers:
        raise ValueError(
            f"n_conformers must be at most {made}, the number that could be embedded for "
            f"{smiles!r}, received {n_conformers}"
        )
    return molecule


def _relax(molecule: Any, force_field: ForceField) -> None:
    """Relax every conformer of an rdkit molecule in place."""
    if force_field == "none":
        return
    helpers = require("rdkit.Chem.rdForceFieldHelpers", extra="chem")
    known, relax = {
        "uff": (helpers.UFFHasAllMoleculeParams, helpers.UFFOptimizeMoleculeConfs),
        "mmff": (helpers.MMFFHasAllMoleculeParams, helpers.MMFFOptimizeMoleculeConfs),
    }[force_field]
    if not known(molecule):
        raise ValueError(
            f'force_field must know every atom of the molecule, received "{force_field}" which '
            'does not; take another one or "none"'
        )
    relax(molecule, maxIters=2000)


def _to_atoms(molecule: Any, positions: np.ndarray) -> Atoms:
    """Turn one conformer into Atoms; positions (n_atoms, 3) in Angstrom."""
    atoms = Atoms(
        numbers=[atom.GetAtomicNum() for atom in molecule.GetAtoms()],
        positions=positions - positions.mean(axis=0),
    )
    charges = np.array([atom.GetFormalCharge() for atom in molecule.GetAtoms()], dtype=float)
    if charges.any():
        atoms.set_initial_charges(charges)
    return atoms
