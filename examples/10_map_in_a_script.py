"""A map in a plain script: files in, files out, and nothing is computed twice.

``zn.map`` calls a function, or a calculator, with every structure. Each result is kept in a store,
in the DVC cache if there is one, else in the folder ``.zn_items``. What fails is recorded with its
reason: effective medium theory knows no silicon. One structure more costs one calculation more.
Start it a second time: nothing is computed.

You should see::

    labelled: 5 computed, 0 found in the store, 1 failed
    item 4 (calculation): NotImplementedError: No EMT-potential for Si
    files: labelled/copper.h5 with 3, labelled/others.h5 with 2
    one more: 1 computed, 5 found in the store, 1 failed
    energies (eV): 6, of items 0 1 2 3 4 6
    copper, by scale: 0.97 0.028, 1.00 -0.007, 1.03 0.036
"""

from pathlib import Path

import ase.io
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

import nodes
import zn_pipeline as zn

COPPER = [bulk("Cu", a=a) for a in (3.55, 3.6, 3.65)]
OTHERS = [bulk("Ag"), bulk("Si"), bulk("Au")]


def energy_per_atom(atoms: Atoms, scale: float) -> float:
    """Return the energy, in eV per atom, of a structure whose cell is scaled."""
    atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    atoms.calc = EMT()
    return float(atoms.get_potential_energy()) / len(atoms)


def main() -> None:
    Path("inputs").mkdir(exist_ok=True)
    ase.io.write("inputs/copper.xyz", COPPER)
    ase.io.write("inputs/others.xyz", OTHERS)

    labelled = zn.map(
        nodes.Emt(),
        "inputs/*.xyz",
        out="labelled/{stem}.h5",
        on_error="record",
        failures_out="labelled",  # failures.jsonl, and failed.h5 with the structures
    )
    print(f"labelled: {labelled.report}")
    print(labelled.failures[0])
    written = [f"{group.name} with {len(group)}" for group in labelled.groups()]
    print(f"files: {', '.join(written)}")

    larger = [bulk("Al"), *zn.Frames("inputs/*.xyz")]
    again = zn.map(nodes.Emt(), larger, on_error="record")
    print(f"one more: {again.report}")
    print(f"energies (eV): {len(again.energies)}, of items {' '.join(map(str, again.rows))}")

    scales = (0.97, 1.0, 1.03)
    curve = zn.map(energy_per_atom, COPPER[1:2], sweep={"scale": scales})[0]
    pairs = [f"{scale:.2f} {energy:.3f}" for scale, energy in zip(scales, curve, strict=True)]
    print(f"copper, by scale: {', '.join(pairs)}")


if __name__ == "__main__":
    main()
