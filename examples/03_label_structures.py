"""Structures: build a crystal, rattle it, label it, and read the result column by column.

The nodes come from the library ``nodes``. Their ``frames`` lie in an H5MD file and are lazy: the
length, one structure, a slice or one column reads no more than that. Effective medium theory stands
in for a reference method; ``nodes.Xtb()`` would be GFN1-xTB.

You should see::

    12 structures of 8 atoms
    energies (eV): (12,), lowest 0.68, highest 1.52
    forces (eV/Angstrom): (12, 8, 3), largest component 4.33
    the first structure: Cu8 with E = 1.12 eV
    every fourth: 3 structures
    failed: 0
"""

import numpy as np

import nodes
import zn_pipeline as zn


def main() -> None:
    project = zn.Project()
    with project, project.group("data"):
        crystal = nodes.BuildBulk(formula="Cu", cubic=True, repeat=(2, 1, 1))
        rattled = nodes.RattleStructures(
            structures=crystal.frames, n_per_frame=12, stdev_angstrom=0.1, seed=1
        )
        labelled = nodes.LabelFrames(structures=rattled.frames, calculator=nodes.Emt())

    project.repro()

    frames = labelled.frames
    energies, forces = frames.energies, np.asarray(frames.forces)
    print(f"{len(frames)} structures of {frames.n_atoms[0]} atoms")
    lowest, highest = energies.min(), energies.max()
    print(f"energies (eV): {energies.shape}, lowest {lowest:.2f}, highest {highest:.2f}")
    print(f"forces (eV/Angstrom): {forces.shape}, largest component {np.abs(forces).max():.2f}")
    first = frames[0]  # an ase.Atoms with a SinglePointCalculator
    print(
        f"the first structure: {first.get_chemical_formula()} "
        f"with E = {first.get_potential_energy():.2f} eV"
    )
    print(f"every fourth: {len(frames[::4])} structures")
    print(f"failed: {labelled.metrics['n_failed']}")


if __name__ == "__main__":
    main()
