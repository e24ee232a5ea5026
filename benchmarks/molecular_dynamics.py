"""Molecular dynamics: cost per atom and step, what the loop adds to the model, and replicas.

    .venv/bin/python benchmarks/molecular_dynamics.py --atoms 256 --steps 100
    .venv/bin/python benchmarks/molecular_dynamics.py --atoms 64 --replicas 32

CPU and wall times are the smallest of ``--repeat`` runs of warm programs.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
from ase.build import bulk

from nodes.numerics.md import MDSettings, Start
from nodes.numerics.md.batch import assemble
from nodes.numerics.md.block import run_block
from nodes.numerics.md.lists import graph_of, still_of
from nodes.numerics.potentials import EnergyModel, ModelConfig
from nodes.numerics.structures import Structure

SHAPES = {64: (4, 2, 2), 256: (4, 4, 4), 2048: (8, 8, 8), 8788: (13, 13, 13)}


def copper(n_atoms, seed):
    atoms = bulk("Cu", cubic=True).repeat(SHAPES[n_atoms])
    atoms.rattle(0.02, rng=np.random.default_rng(seed))
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array, True)


def weak_model():
    """A model whose atoms hardly interact: cold ones stay where they are."""
    model = EnergyModel(ModelConfig(elements=(29,), cutoff_angstrom=5.0))
    params = model.init(jax.random.key(0))
    params["weights"]["scale"] = jnp.array([0.001])
    return model, params


def smallest(function, repeat):
    """Wall and CPU seconds."""
    times = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return np.min(times, axis=0)


def dynamics(model, params, n_atoms, n_replicas, steps):
    """A function that takes ``steps`` steps, and its batch."""
    settings = MDSettings(
        n_steps=10**6 * steps, sample_every=steps, force_std=False, frames_per_block=1,
        timestep_fs=1.0, temperature_k=50.0,
    )  # fmt: skip
    starts = [Start(copper(n_atoms, seed), seed=seed) for seed in range(n_replicas)]
    batch = assemble(model, params, starts, settings)
    state = [batch.state]

    def advance():
        block = run_block(batch.program, batch.system, state[0])
        state[0] = jax.block_until_ready(block.state)
        assert not block.overflow

    advance()
    advance()
    return advance, batch


def evaluations(model, batch, steps):
    """A function that evaluates the model ``steps`` times and does nothing else."""
    state, spec, species = batch.state, batch.program.spec, batch.system.species
    cell = state.moving.cell
    still = still_of(spec, state.neighbors, species, cell, cell_changes=False)
    graph = graph_of(spec, state.neighbors, species, still, state.moving.positions, cell)

    @jax.jit
    def loop(params, graph):
        def body(_, shift):
            moved = dataclasses.replace(graph, vectors=graph.vectors + shift)
            return 1e-12 * jnp.sum(model.evaluate(params, moved).forces[0, 0])

        return jax.lax.fori_loop(0, steps, body, jnp.zeros((), graph.vectors.dtype))

    def evaluate():
        loop(batch.system.params, graph).block_until_ready()

    evaluate()
    return evaluate


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atoms", type=int, default=256, choices=sorted(SHAPES))
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    model, params = weak_model()
    counts = (1,) if options.replicas == 1 else (1, options.replicas)
    for n_replicas in counts:
        unit = 1e6 / (options.steps * options.atoms * n_replicas)
        advance, batch = dynamics(model, params, options.atoms, n_replicas, options.steps)
        wall, cpu = unit * smallest(advance, options.repeat)
        print(f"{n_replicas} x {options.atoms} atoms: {wall:.2f} us wall, {cpu:.2f} us CPU "
              "per atom and step")  # fmt: skip
        if n_replicas == 1:
            wall, cpu = unit * smallest(evaluations(model, batch, options.steps), options.repeat)
            print(f"    of which the model: {wall:.2f} us wall, {cpu:.2f} us CPU")


if __name__ == "__main__":
    main()
