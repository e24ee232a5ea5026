"""Relaxation: many structures in one compiled loop, against one after the other through ASE.

    .venv/bin/python benchmarks/relax.py --structures 32 --batch 8
    .venv/bin/python benchmarks/relax.py --optimizer FIRE --cell

The potential costs what a default model does; a Morse potential gives it minima. CPU and wall
seconds are those of a second run, in which all is compiled.
"""

import argparse
import time
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.filters import UnitCellFilter
from ase.optimize import FIRE, LBFGS

from nodes.atoms import structure_of
from nodes.numerics.potentials import EnergyModel, ModelConfig
from nodes.numerics.potentials.moving_graph import MovingGraph
from nodes.numerics.relax import RelaxSettings, relax_many
from nodes.training.calculator import PotentialCalculator


@dataclass(frozen=True)
class Morse:
    """Bonds of copper: L. A. Girifalco and V. G. Weizer, Phys. Rev. 114, 687 (1959)."""

    name: ClassVar[str] = "morse"
    cutoff: float = 5.0

    def init(self, elements, dtype):
        return {}

    def energies(self, weights, edges, elements):
        r2 = jnp.sum(edges.vectors**2, axis=-1)
        active = (edges.sender >= 0) & (edges.receiver[:, None] >= 0) & (r2 < self.cutoff**2)
        r = jnp.sqrt(jnp.where(active, r2, self.cutoff**2))
        bond = jnp.exp(-1.36 * (r - 2.87))
        switch = (1.0 - (r / self.cutoff) ** 2) ** 3
        return 0.17 * jnp.sum(jnp.where(active, (bond**2 - 2.0 * bond) * switch, 0.0), -1)


class OneByOne(PotentialCalculator):
    """The calculator of a model that is not on disk."""

    def __init__(self, model, params):
        Calculator.__init__(self)
        self.model, self.params, self.biases = model, params, ()
        self.graphs = MovingGraph(model.config, 0.5)


def seconds(function):
    """Wall and CPU seconds of a second run, and its result."""
    function()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def through_ase(calculator, frames, options):
    """Steps and energies of one relaxation after the other."""
    steps, energies = [], []
    for start in frames:
        atoms = start.copy()
        atoms.calc = calculator
        target = UnitCellFilter(atoms) if options.cell else atoms
        method = {"LBFGS": LBFGS, "FIRE": FIRE}[options.optimizer](target, logfile=None)
        method.run(fmax=options.fmax, steps=500)
        steps.append(method.nsteps)
        energies.append(atoms.get_potential_energy())
    return np.array(steps), np.array(energies)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--optimizer", default="LBFGS", choices=["LBFGS", "FIRE"])
    parser.add_argument("--cell", action="store_true", help="relax cells, too")
    parser.add_argument("--fmax", type=float, default=0.01, help="eV/Angstrom")
    options = parser.parse_args()
    frames = []
    for seed in range(options.structures):
        atoms = bulk("Cu", cubic=True).repeat((4, 2, 2))
        atoms.rattle(0.05 + 0.1 * seed / options.structures, rng=np.random.default_rng(seed))
        frames.append(atoms)
    model = EnergyModel(ModelConfig(elements=(29,), corrections=(Morse(),)))
    params = jax.device_get(model.init(jax.random.key(0)))
    params["weights"]["scale"] = np.full_like(params["weights"]["scale"], 0.001)
    settings = RelaxSettings(
        fmax_ev_per_angstrom=options.fmax, optimizer=options.optimizer, batch_size=options.batch,
        relax_cell="full" if options.cell else "none",
    )  # fmt: skip
    starts = [structure_of(atoms) for atoms in frames]
    wall, cpu, found = seconds(lambda: relax_many(model, params, starts, settings))
    n_steps = sum(result.steps for result in found)
    converged = sum(result.converged for result in found)
    print(f"one loop: {wall:.2f} s wall, {cpu:.2f} s CPU, {n_steps} steps, {converged} converged")
    calculator = OneByOne(model, params)
    ase_wall, ase_cpu, (steps, energies) = seconds(lambda: through_ase(calculator, frames, options))
    print(f"ASE: {ase_wall:.2f} s wall, {ase_cpu:.2f} s CPU, {steps.sum()} steps")
    off = np.abs([result.energy for result in found] - energies).max()
    fewer = n_steps / steps.sum()
    for kind, ratio in (("wall", ase_wall / wall), ("CPU", ase_cpu / cpu)):
        print(f"ASE's {kind} seconds by ours: {ratio:.2f}, for one step {ratio * fewer:.2f}")
    print(f"energies differ by {off:.1e} eV at most")


if __name__ == "__main__":
    main()
