"""Active learning of a potential for a liquid: SMILES in, trained potential and error table out.

Conformers are packed into periodic boxes and labelled by GFN1-xTB. A shallow ensemble of a
Gaussian-moment neural network is trained. Each step of the loop runs molecular dynamics with it
until its forces become uncertain, labels the most different frames and trains again, until the force
error on an independent test set is low enough.
"""

import nodes
import zn_pipeline as zn

SMILES = "CCO"
DENSITY_G_PER_CM3 = 0.789
MOLECULES = 8
REFERENCE = nodes.Xtb(method="GFN1-xTB", accuracy=10.0)
FORCE_ERROR_LIMIT = 60.0  # meV/Angstrom, mean absolute error of a component
MAX_STEPS = 3


def labelled_boxes(seed: int, n_boxes: int, n_per_box: int) -> nodes.LabelFrames:
    """Make boxes of their own conformers, distort them, and label them."""
    molecule = nodes.BuildConformers(smiles=SMILES, n_conformers=8, force_field="mmff", seed=seed)
    boxes = nodes.PackBox(
        molecules=[molecule.frames],
        counts=[MOLECULES],
        density_g_per_cm3=DENSITY_G_PER_CM3,
        n_boxes=n_boxes,
        seed=seed,
    )
    distorted = nodes.RattleStructures(
        structures=boxes.frames, n_per_frame=n_per_box, stdev_angstrom=0.04, seed=seed
    )
    return nodes.LabelFrames(structures=distorted.frames, calculator=REFERENCE)


def train(frames: zn.Ref, valid: zn.Ref, before: nodes.TrainPotential | None, epochs: int):
    """Train on all frames so far; go on from the model of the step before."""
    return nodes.TrainPotential(
        train_frames=frames,
        valid_frames=valid,
        initial_model=before,
        hidden=(64, 64),
        n_members=8,
        n_epochs=epochs,
        batch_size=4,
        forces_weight=1.0,
        calibrate=True,
        seed=1,
    )


def main() -> None:
    """Build the graph, run it, and say what came out."""
    project = zn.Project()
    with project:
        with project.group("start"):
            start = labelled_boxes(seed=1, n_boxes=6, n_per_box=4)
            split = nodes.SplitFrames(structures=start.frames, n_valid=6, seed=1)
        with project.group("test"):
            test = labelled_boxes(seed=2, n_boxes=8, n_per_box=3)
        with project.group("boxes"):
            molecule = nodes.BuildConformers(
                smiles=SMILES, n_conformers=8, force_field="mmff", seed=3
            )
            boxes = nodes.PackBox(
                molecules=[molecule.frames],
                counts=[MOLECULES],
                density_g_per_cm3=DENSITY_G_PER_CM3,
                n_boxes=MAX_STEPS,
                seed=3,
            )
        with project.group("start"):
            first = train(split.train_frames, split.valid_frames, None, epochs=120)
            judged = nodes.EvaluatePotential(structures=test.frames, model=first)

        models, evaluations = [first], [judged]

        def step(count: int, frames: zn.Ref) -> zn.Step:
            """Explore with the latest model, label what is new, train again."""
            walk = nodes.JaxMD(
                structures=boxes.frames,
                index=count,
                model=models[-1],
                temperature_k=350.0,
                timestep_fs=0.5,
                n_steps=2000,
                sample_every=4,
                max_force_std_ev_per_angstrom=1.5,
                seed=count,
            )
            chosen = nodes.SelectFarthestPoints(
                candidates=walk.frames, n_select=6, model=models[-1], exclude=frames
            )
            labelled = nodes.LabelFrames(structures=chosen.frames, calculator=REFERENCE)
            grown = frames + labelled.frames
            model = train(grown, split.valid_frames, models[-1], epochs=60)
            evaluation = nodes.EvaluatePotential(structures=test.frames, model=model)
            models.append(model)
            evaluations.append(evaluation)
            return zn.Step(carry=grown, watch=evaluation.metrics["forces"]["mae"])

        project.iterate(
            step, split.train_frames, zn.Below(FORCE_ERROR_LIMIT), MAX_STEPS, name="learn"
        )
        with project.group("report"):
            parity = nodes.PlotParity(
                reference=test.frames,
                predicted=evaluations[-1].frames,
                title="Ethanol, test set: GMNN against GFN1-xTB",
            )
            curve = nodes.PlotLearningCurve(
                n_train=[model.metrics["n_train"] for model in models],
                evaluations=[evaluation.metrics for evaluation in evaluations],
            )
    project.repro()
    report(evaluations[-1], parity, curve)


def report(
    evaluation: nodes.EvaluatePotential, parity: nodes.PlotParity, curve: nodes.PlotLearningCurve
) -> None:
    """Print the error table, where the plots are, and how to load a result."""
    print("\nErrors on the test set (95 % bootstrap interval)")
    for name, row in evaluation.metrics.items():
        print(
            f"  {name:7s} MAE {row['mae']:7.2f} [{row['mae_low']:.2f}, {row['mae_high']:.2f}]"
            f"  RMSE {row['rmse']:7.2f} [{row['rmse_low']:.2f}, {row['rmse_high']:.2f}]  {row['unit']}"
        )
    print("\nLearning curve")
    print(curve.curve[["n_train", "energy_mae", "forces_mae"]].to_string(index=False))
    print(f"\nPlots   {parity.page}  {parity.image}  {curve.image}")


if __name__ == "__main__":
    main()
