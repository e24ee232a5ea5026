"""Pools: a node and a map run as batch jobs that need no driver.

``pools.toml`` names the places where work runs, and patterns say what goes where. Here it is a
queue of this machine: at most two jobs at once, which outlive the script. With ``kind = "slurm"``,
and a host behind ssh if need be, the rest of the script stays as it is. Kill it while jobs run and
start it again: it takes them up. See ``docs/pools.md``.

You should see::

    the node ran as a batch job: True
    structures: 8
    in jobs of four: 8 computed, 0 found in the store, 0 failed
    on this machine: 0 computed, 8 found in the store, 0 failed
    energies (eV): (8,)
"""

import os
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

import nodes
import zn_pipeline as zn

POOLS = """\
[pools.queue]
kind = "local"
mode = "detached"
workers = 2
items_per_job = 4
walltime_minutes = 10
poll_seconds = 0.2

[assign]
"Move" = "queue"
"map:Emt" = "queue"
"""


def moved(atoms: Atoms, rng: np.random.Generator, n_copies: int) -> list[Atoms]:
    """Return copies with random displacements of 0.05 Angstrom."""
    copies = [atoms.copy() for _ in range(n_copies)]
    for copy in copies:
        copy.positions += rng.normal(scale=0.05, size=copy.positions.shape)
    return copies


class Move(zn.Node):
    """Move the atoms of copper at random."""

    n_copies: int = zn.params(8)
    frames: zn.Frames = zn.outs()

    def run(self) -> None:
        print("ZN_DEADLINE" in os.environ)  # goes to node.log; the walltime of the job
        copper = [bulk("Cu", cubic=True)]
        self.frames = self.map(moved, copper, arguments={"n_copies": self.n_copies}, seed=1)


def main() -> None:
    Path("pools.toml").write_text(POOLS, encoding="utf-8")
    with zn.Project() as project:
        move = Move()

    project.repro()

    print(f"the node ran as a batch job: {(move.nwd / 'node.log').read_text().strip()}")
    print(f"structures: {len(move.frames)}")
    labelled = zn.map(nodes.Emt(), move.frames)
    print(f"in jobs of four: {labelled.report}")
    print(f"on this machine: {zn.map(nodes.Emt(), move.frames, where=1).report}")
    print(f"energies (eV): {labelled.energies.shape}")


if __name__ == "__main__":
    main()
