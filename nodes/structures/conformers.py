"""Molecules from SMILES."""

from typing import Any, Literal

import numpy as np
from ase import Atoms

import zn_pipeline as zn
from nodes.extras import require

ForceField = Literal["none", "uff", "mmff"]


class BuildConformers(zn.Node):
    """Embed conformers of one molecule by distance geometry (ETKDGv3).

    S. Wang et al., *J. Chem. Inf. Model.* **60**, 2044 (2020). Hydrogens are added. Formal
    charges become the initial charges (in e) of the atoms, so that a calculator can read the
    total charge from them.

    Parameters
    ----------
    smiles : the molecule, e.g. ``"CCO"``
    n_conformers : number of conformers to make
    force_field : relax each conformer with this force field, or ``"none"``
    seed : seed of the embedding

    Attributes
    ----------
    frames : `n_conformers` molecules without a cell; positions in Angstrom, centred at 0

    Raises
    ------
    ValueError
        If the SMILES cannot be read or fewer conformers than asked can be embedded.
    MissingExtraError
        If rdkit is not installed.
    """

    smiles: str = zn.params()
    n_conformers: int = zn.params(1)
    force_field: ForceField = zn.params("none")
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        if self.n_conformers < 1:
            raise ValueError(f"n_conformers must be at least 1, received {self.n_conformers}")
        molecule = _embedded_molecule(self.smiles, self.n_conformers, self.seed)
        _relax(molecule, self.force_field)
        self.frames = [
            _to_atoms(molecule, conformer.GetPositions()) for conformer in molecule.GetConformers()
        ]


def _embedded_molecule(smiles: str, n_conformers: int, seed: int) -> Any:
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
    options.randomSeed = int(np.random.default_rng(seed).integers(2**30))
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
