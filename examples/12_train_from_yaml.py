"""Train a potential from a YAML file on the command line, test it, run dynamics with it.

Needs the extra ``jax``. The keys of the files are those of apax; ``znp template train --full``
prints all of them with their meaning.

You should see::

    train.yaml: valid
    trained: config.yaml log.csv summary.json and the model in best
    force error below half of the mean force: True
    dynamics: 51 frames, completed
"""

import json
import subprocess
from pathlib import Path

import ase.io
import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

TRAIN = """\
n_epochs: 20
data: {directory: models, experiment: copper, data_path: data.xyz, batch_size: 8,
       n_train: 24, n_valid: 8}
model:
  name: gmnn
  nn: [16, 16]
  n_contr: 4
  basis: {name: bessel, n_basis: 8, r_max: 4.0}
  ensemble: {kind: shallow, n_members: 4}
loss:
  - {name: energy, loss_type: crps}
  - {name: forces, loss_type: crps, weight: 4.0}
optimizer: {nn_lr: 0.01, emb_lr: 0.01}
"""

MD = """\
ensemble: {name: nvt, dt: 2.0, temperature_schedule: {name: constant, T0: 300.0}}
duration: 1000.0
initial_structure: start.xyz
dynamics_checks: [{name: forces_uncertainty, threshold: 5.0}]
disable_pbar: true
"""


def znp(*arguments: str) -> None:
    subprocess.run(["znp", *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    frames = []
    for seed in range(40):
        frame = bulk("Cu", cubic=True) * (2, 1, 1)
        frame.rattle(0.1, seed=seed)
        frame.calc = EMT()
        frame.get_forces()
        frames.append(frame)
    ase.io.write("data.xyz", frames)
    ase.io.write("start.xyz", frames[0])
    Path("train.yaml").write_text(TRAIN)
    Path("md.yaml").write_text(MD)
    znp("validate", "train", "train.yaml")
    print("train.yaml: valid")
    znp("train", "train.yaml")
    znp("eval", "train.yaml")
    znp("md", "models/copper", "md.yaml")
    run = Path("models/copper")
    written = [name for name in ("config.yaml", "log.csv", "summary.json") if (run / name).exists()]
    print("trained:", *written, "and the model in best")
    error = json.loads((run / "test_metrics.json").read_text())["forces_mae"]
    mean_force = np.mean([np.abs(frame.get_forces()).mean() for frame in frames])
    print("force error below half of the mean force:", error < 0.5 * mean_force)
    summary = json.loads(Path("md.json").read_text())
    print(f"dynamics: {summary['n_frames']} frames, {summary['stop_reason']}")


if __name__ == "__main__":
    main()
