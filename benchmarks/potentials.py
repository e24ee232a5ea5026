"""Training and MD beside apax, in one run, on the same data and the same network.

usage: python benchmarks/potentials.py --peer PYTHON [--epochs 6] [--md-atoms 256 2048]
       python benchmarks/potentials.py --accuracy 5 --epochs 50

PYTHON is the interpreter of an environment that has apax. Data: rattled and strained Cu-Au frames
of 64 atoms with EMT labels, 400 to train on and 100 to validate. Both train apax's default network
(one member, batches of 8, squared errors), then run NVT with a Nose-Hoover chain, a frame every 10
steps, each with the model that it trained. CPU seconds count all threads; compilation is left out:
the first two epochs, and the first block of MD, are not counted. Times of epochs are medians and
include validation.

``--accuracy N``: N fits of ours with different seeds; mean and largest validation errors.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CUTOFF = 5.0


def alloy_frames(n=500, seed=42):
    """Rattled, strained fcc crystals of 64 atoms, 25 to 75 % gold, labelled by EMT."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    rng, frames = np.random.default_rng(seed), []
    for i in range(n):
        gold = rng.uniform(0.25, 0.75)
        atoms = bulk("Cu", "fcc", a=(1 - gold) * 3.61 + gold * 4.08).repeat((4, 4, 4))
        symbols = np.array(["Cu"] * len(atoms))
        symbols[rng.permutation(len(atoms))[: round(gold * len(atoms))]] = "Au"
        atoms.set_chemical_symbols(list(symbols))
        atoms.set_cell(atoms.cell[:] * (1 + rng.uniform(-0.03, 0.03)), scale_atoms=True)
        scale = (0.02, 0.04, 0.06, 0.09, 0.12)[i % 5]
        atoms.positions += rng.normal(scale=scale, size=atoms.positions.shape)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    return [frames[i] for i in rng.permutation(n)]


def crystal(cells):
    """A cubic crystal of Cu and Au at 300 K."""
    from ase.build import bulk
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    atoms = bulk("Cu", "fcc", a=3.85, cubic=True).repeat(cells)
    symbols = np.array(["Cu"] * len(atoms))
    symbols[np.random.default_rng(1).permutation(len(atoms))[: len(atoms) // 2]] = "Au"
    atoms.set_chemical_symbols(list(symbols))
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(2))
    return atoms


def now():
    return time.perf_counter(), time.process_time()


def ours_train(folder, epochs, seed=0):
    import ase.io

    from nodes.atoms import structures_of
    from nodes.numerics.fit import FitConfig, Linear, Loss, Optimizer, fit
    from nodes.numerics.potentials import EnergyModel, ModelConfig, save_model

    train, valid = (
        structures_of(ase.io.read(folder / f"{part}.extxyz", ":"), labelled=True)
        for part in ("train", "val")
    )
    model = EnergyModel(ModelConfig(elements=(29, 79), cutoff_angstrom=CUTOFF, n_members=1))
    # The rates of apax's parameter groups, its losses, its schedule.
    rates = {"representation": 1e-3, "layers": 1e-3, "scale": 1e-4, "shift": 3e-3}
    optimizer = Optimizer(
        learning_rate=1e-3, rates=rates, schedule=Linear(), max_norm=None, max_value=1000.0
    )
    losses = (Loss("energy", "mse", weight=1.0), Loss("forces", "mse", weight=4.0))
    config = FitConfig(
        n_epochs=epochs, batch_size=8, losses=losses, optimizer=optimizer, seed=seed, ema=0.99,
        valid_batch_size=20,
    )  # fmt: skip
    marks = [now()]
    started = now()
    result = fit(model, train, valid, config, on_epoch=lambda _: marks.append(now()))
    save_model(folder / "ours", model, result.params)
    best = result.history[result.best_epoch - 1]
    return _epochs(marks[1:]) | {
        "until_first_epoch_cpu_s": marks[1][1] - started[1],
        "energy_mae_mev_per_atom": 1e3 * best.energy_mae_ev_per_atom,
        "forces_mae_mev_per_angstrom": 1e3 * best.forces_mae_ev_per_angstrom,
    }


def peer_train(folder, epochs):
    import csv

    import apax.train.callbacks as callbacks
    from apax.train.run import run

    marks, collection = [], callbacks.CallbackCollection
    begin = collection.on_epoch_begin

    def marked(self, epoch, logs=None):
        marks.append(now())
        return begin(self, epoch, logs)

    collection.on_epoch_begin = marked
    data = {
        "directory": str(folder), "experiment": "apax", "n_train": 400, "n_valid": 100,
        "train_data_path": str(folder / "train.extxyz"), "batch_size": 8,
        "val_data_path": str(folder / "val.extxyz"), "valid_batch_size": 20,
    }  # fmt: skip
    losses = [
        {"name": "energy", "loss_type": "mse", "weight": 1.0, "atoms_exponent": 1},
        {"name": "forces", "loss_type": "mse", "weight": 4.0, "atoms_exponent": 1},
    ]
    metrics = [{"name": name, "reductions": ["mae"]} for name in ("energy", "forces")]
    run(
        {
            "n_epochs": epochs,
            "data": data,
            "model": {"name": "gmnn"},
            "loss": losses,
            "metrics": metrics,
            "callbacks": [{"name": "csv"}],
            "progress_bar": {"disable_epoch_pbar": True},
        }
    )
    last = list(csv.DictReader((folder / "apax" / "log.csv").open()))[-1]
    return _epochs(marks[1:]) | {
        "energy_mae_mev_per_atom": 1e3 * float(last["val_energy_mae"]) / 64,
        "forces_mae_mev_per_angstrom": 1e3 * float(last["val_forces_mae"]),
    }


def _epochs(marks):
    """Median wall and CPU seconds of an epoch after the first two."""
    wall, cpu = np.median(np.diff(np.array(marks), axis=0)[1:], axis=0)
    return {"epoch_wall_s": wall, "epoch_cpu_s": cpu}


def ours_md(folder, cells, steps):
    from nodes.atoms import structure_of
    from nodes.numerics.md import MDSettings, Simulation, Start
    from nodes.numerics.md.moving import NoseHooverChain
    from nodes.numerics.potentials import load_model

    atoms = crystal(cells)
    settings = MDSettings(
        integrator=NoseHooverChain(tau_fs=50.0), timestep_fs=0.5, temperature_k=300.0,
        n_steps=steps, sample_every=10, frames_per_block=2, force_std=False,
    )  # fmt: skip
    start = Start(structure_of(atoms), velocities=atoms.get_velocities())
    blocks = Simulation(*load_model(folder / "ours"), [start], settings)
    marks = [(*now(), int(np.max(block.step))) for block in blocks][2:]
    return _per_step(marks[0], marks[-1], len(atoms))


def peer_md(folder, cells, steps):
    import apax.md.simulate as simulate
    from ase.io import write

    atoms, inner, marks = crystal(cells), 10, []
    keep = simulate.H5TrajHandler.step

    def marked(self, *arguments, **options):
        result = keep(self, *arguments, **options)
        marks.append((*now(), len(marks)))
        return result

    simulate.H5TrajHandler.step = marked
    write(folder / "init.extxyz", atoms)
    ensemble = {
        "name": "nvt", "dt": 0.5, "temperature_schedule": {"name": "constant", "T0": 300.0},
    }  # fmt: skip
    simulate.run_md(
        str(folder / "apax" / "config.yaml"),
        {
            "ensemble": ensemble,
            "duration": 0.5 * steps,
            "n_inner": inner,
            "sampling_rate": 10,
            "initial_structure": str(folder / "init.extxyz"),
            "disable_pbar": True,
            "sim_dir": tempfile.mkdtemp(),
            "dr_threshold": 0.5,
        },
    )
    return _per_step(marks[inner], marks[-1], len(atoms))


def _per_step(first, last, n_atoms):
    """Microseconds per atom and step between two marks (wall, CPU, step)."""
    work = (last[2] - first[2]) * n_atoms * 1e-6
    return {
        "wall_us": (last[0] - first[0]) / work,
        "cpu_us": (last[1] - first[1]) / work,
        "steps": last[2] - first[2],
    }


def in_process(python, role, *arguments):
    """Run a role in a process of its own and return what it reports."""
    command = [python, str(Path(__file__).resolve()), "--role", role, *map(str, arguments)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def show(title, ours, peer, names):
    for name in names:
        line = f"{title:28s} {name:28s} {ours[name]:10.3f}"
        print(line + (f" {peer[name]:10.3f} {peer[name] / ours[name]:7.2f}x" if peer else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--md-atoms", type=int, nargs="*", default=[256, 2048])
    parser.add_argument("--accuracy", type=int)
    parser.add_argument("--role", nargs="+")
    options = parser.parse_args()
    roles = {f.__name__: f for f in (ours_train, peer_train, ours_md, peer_md)}
    if options.role:
        role, folder, *numbers = options.role
        report = roles[role](Path(folder), *map(int, numbers))
        print(json.dumps({name: float(value) for name, value in report.items()}))
        return
    folder = Path(tempfile.mkdtemp())
    from ase.io import write

    frames = alloy_frames()
    write(folder / "train.extxyz", frames[:400])
    write(folder / "val.extxyz", frames[400:])
    if options.accuracy:
        fits = [ours_train(folder, options.epochs, seed) for seed in range(options.accuracy)]
        for name in ("energy_mae_mev_per_atom", "forces_mae_mev_per_angstrom"):
            values = [fit[name] for fit in fits]
            print(f"{name:28s} mean {np.mean(values):8.3f} largest {np.max(values):8.3f}")
        return
    print(f"{'':28s} {'':28s} {'ours':>10s} {'apax':>10s} {'ratio':>8s}")
    ours = in_process(sys.executable, "ours_train", folder, options.epochs)
    peer = options.peer and in_process(options.peer, "peer_train", folder, options.epochs)
    show("train, 400 + 100 frames", ours, peer, ["epoch_wall_s", "epoch_cpu_s"])
    cells = {256: (4, 200), 2048: (8, 60), 8788: (13, 60)}
    for n_atoms in options.md_atoms:
        repeat, steps = cells[n_atoms]
        ours = in_process(sys.executable, "ours_md", folder, repeat, 3 * steps)
        peer = options.peer and in_process(options.peer, "peer_md", folder, repeat, steps)
        show(f"NVT, {n_atoms} atoms", ours, peer, ["wall_us", "cpu_us"])


if __name__ == "__main__":
    main()
