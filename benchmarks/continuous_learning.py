"""Training that goes on from the model of the iteration before, beside training anew.

usage: python benchmarks/continuous_learning.py [--epochs 100] [--share 0.15] [--iterations 5]
           [--seeds 3]

A liquid of 32 copper atoms at 2000 K, labelled by EMT. Each iteration adds 20 frames to the 20
before. One campaign trains a new model for EPOCHS epochs each time; the other begins with the
same first model and goes on from the last one with SHARE of the epochs. All other settings are
equal: the defaults of ``TrainPotential``, one member. Errors are those of 100 frames from
another run of the liquid, never used for training or to choose an epoch.
"""

import argparse
import time

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.units import fs

from nodes.atoms import structures_of
from nodes.numerics.fit import FitConfig, Loss, fit
from nodes.numerics.potentials import EnergyModel, ModelConfig

PER_ITERATION, N_TEST = 20, 100


def liquid(n_frames, seed):
    """Frames of a liquid, 100 fs apart, after 2 ps from the crystal."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", a=3.85, cubic=True).repeat(2)
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=4000, rng=rng)
    bath = Langevin(atoms, 4 * fs, temperature_K=2000, friction=0.02 / fs, rng=rng)
    bath.run(500)
    frames = []
    while len(frames) < n_frames:
        bath.run(25)
        frame = atoms.copy()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        frame.calc = SinglePointCalculator(frame, **labels)
        frames.append(frame)
    return structures_of(frames, labelled=True)


def forces_mae(model, params, structures):
    """Mean absolute error of a force component, meV/Angstrom."""
    found = model.predict_many(params, structures, batch_size=20)
    pairs = zip(found, structures, strict=True)
    return 1e3 * np.mean([np.abs(one.forces - s.forces).mean() for one, s in pairs])


def train(model, frames, epochs, seed, initial=None):
    losses = (Loss("energy", weight=1.0), Loss("forces", weight=4.0))
    config = FitConfig(n_epochs=epochs, batch_size=4, losses=losses, seed=seed)
    valid = frames[::10]
    kept = [frame for number, frame in enumerate(frames) if number % 10]
    begin = time.process_time()
    params = fit(model, kept, valid, config, initial=initial and (model, initial)).params
    return params, time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    model = EnergyModel(ModelConfig(elements=(29,), n_members=1))
    fewer = round(options.share * options.epochs)
    pool, test = liquid(PER_ITERATION * options.iterations, 1), liquid(N_TEST, 2)
    print(f"{'seed':>4s} {'frames':>6s} {'anew':>9s} {'going on':>9s} {'ratio':>6s} {'CPU':>6s}")
    for seed in range(options.seeds):
        going_on = None
        for iteration in range(1, options.iterations + 1):
            frames = pool[: PER_ITERATION * iteration]
            anew, cost = train(model, frames, options.epochs, seed)
            if going_on is None:
                going_on, cost_going_on = anew, cost
            else:
                going_on, cost_going_on = train(model, frames, fewer, seed, going_on)
            errors = [forces_mae(model, params, test) for params in (anew, going_on)]
            print(
                f"{seed:4d} {len(frames):6d} {errors[0]:9.2f} {errors[1]:9.2f} "
                f"{errors[1] / errors[0]:6.3f} {cost_going_on / cost:6.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
