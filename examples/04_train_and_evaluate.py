"""Train a potential, measure its errors on structures it has not seen, draw a parity plot.

Needs the extras ``jax`` and ``plots``. The model is far smaller than a useful one, so that this
ends within a minute or so. ``dvc plots show`` draws the training curve and the parity tables.

You should see::

    sets: 32 for training, 8 for validation, 8 for the test
    the best epoch beats the first: True
    force error below half of the mean force: True
    the interval holds the error: True
    parity plot: parity.png parity.html
"""

import numpy as np

import nodes
import zn_pipeline as zn


def main() -> None:
    project = zn.Project()
    with project:
        with project.group("data"):
            crystal = nodes.BuildBulk(formula="Cu", cubic=True, repeat=(2, 1, 1))
            rattled = nodes.RattleStructures(
                structures=crystal.frames, n_per_frame=48, stdev_angstrom=0.1
            )
            labelled = nodes.LabelFrames(structures=rattled.frames, calculator=nodes.Emt())
            split = nodes.SplitFrames(structures=labelled.frames, n_valid=8, n_test=8)
        model = nodes.TrainPotential(
            train_frames=split.train_frames,
            valid_frames=split.valid_frames,
            cutoff_angstrom=4.0,
            n_basis=8,
            n_contractions=4,
            hidden=(16, 16),
            n_members=4,
            n_epochs=30,
            learning_rate=1e-2,
        )
        judged = nodes.EvaluatePotential(structures=split.test_frames, model=model)
        parity = nodes.PlotParity(reference=split.test_frames, predicted=judged.frames)

    project.repro()

    history, forces = model.history, judged.metrics["forces"]
    mean_force = 1e3 * np.abs(np.asarray(split.test_frames.forces)).mean()  # meV/Angstrom
    sets = [len(f) for f in (split.train_frames, split.valid_frames, split.test_frames)]
    print("sets: {} for training, {} for validation, {} for the test".format(*sets))
    print(f"the best epoch beats the first: {history.valid_loss.min() < history.valid_loss[0]}")
    print(f"force error below half of the mean force: {forces['mae'] < 0.5 * mean_force}")
    inside = forces["mae_low"] <= forces["mae"] <= forces["mae_high"]
    print(f"the interval holds the error: {inside}")
    print(f"parity plot: {parity.image.name} {parity.page.name}")


if __name__ == "__main__":
    main()
