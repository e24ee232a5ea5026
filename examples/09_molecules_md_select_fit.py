"""A whole workflow: molecules, dynamics, selection, labels, fit, errors by molecule.

Three molecules move by GFN1-xTB at 500 K. The frames whose Gaussian moments have the highest
leverage scores (CUR) are labelled by GFN2-xTB, a small potential learns from them, and its errors
on other frames are listed. Needs the extras ``chem``, ``jax``, ``plots``; takes 1 to 3 minutes.

Kill it at any time and start it again: trajectories go on, no structure is labelled twice.

You should see::

    frames from dynamics: 123
    chosen by leverage scores: 60, highest first: True
    categories: all, CC(=O)C, CC=O, CCO
    force error below half of the mean force, everywhere: True
    plots: errors.png parity.png
"""

import numpy as np

import nodes
import zn_pipeline as zn

REFERENCE = nodes.Xtb(method="GFN2-xTB")


def main() -> None:
    project = zn.Project()
    with project:
        with project.group("data"):
            molecules = nodes.BuildConformers(smiles=["CCO", "CC(=O)C", "CC=O"], force_field="mmff")
            dynamics = nodes.AseMD(
                structures=molecules.frames,
                calculator=nodes.Xtb(),
                timestep_fs=0.5,
                n_steps=400,
                temperature_k=500.0,
                sample_interval=10,
            )
            chosen = nodes.SelectCUR(
                candidates=dynamics.frames,
                n_select=60,
                model=nodes.GaussianMoments(elements=("H", "C", "O"), n_radial=3),
            )
            others = nodes.SelectUniform(candidates=chosen.excluded_frames, n_select=30)
            fit = nodes.LabelFrames(structures=chosen.frames, calculator=REFERENCE)
            test = nodes.LabelFrames(structures=others.frames, calculator=REFERENCE)
            split = nodes.SplitFrames(structures=fit.frames, n_valid=8)
        model = nodes.TrainPotential(
            train_frames=split.train_frames,
            valid_frames=split.valid_frames,
            cutoff_angstrom=4.5,
            n_basis=10,
            n_contractions=4,
            hidden=(32, 32),
            n_members=4,
            n_epochs=60,
            learning_rate=1e-2,
        )
        judged = nodes.EvaluatePotential(structures=test.frames, model=model)
        compared = {"reference": test.frames, "predicted": judged.frames}
        errors = nodes.ErrorTable(**compared, category_keys=["smiles"])
        parity = nodes.PlotParity(**compared)

    project.repro()

    mean_force = 1e3 * np.abs(np.concatenate([f.get_forces() for f in test.frames])).mean()
    worst = max(row["forces"]["mae"] for row in errors.metrics.values())
    falling = bool((np.diff(chosen.scores[chosen.rows]) <= 0).all())
    print(f"frames from dynamics: {len(dynamics.frames)}")
    print(f"chosen by leverage scores: {len(chosen.frames)}, highest first: {falling}")
    print(f"categories: {', '.join(errors.metrics)}")
    print(f"force error below half of the mean force, everywhere: {worst < 0.5 * mean_force}")
    print(f"plots: {errors.image.name} {parity.image.name}")


if __name__ == "__main__":
    main()
