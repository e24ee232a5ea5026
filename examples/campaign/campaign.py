"""Active learning of a potential for a liquid: SMILES in, trained potential and error table out.

Conformers are packed into periodic boxes and labelled by GFN1-xTB. A shallow ensemble of a
Gaussian-moment neural network is trained. Each step of the loop runs molecular dynamics with it
until its forces become uncertain, labels the frames that differ most from what it knows and trains
again, until the force error on an independent test set is low enough.
"""

import dataclasses
from typing import Any

from ase import Atoms

import nodes
import zn_pipeline as zn

SMILES = "CCO"
DENSITY_G_PER_CM3 = 0.789
MOLECULES = 8
REFERENCE = nodes.Xtb(method="GFN1-xTB")
FORCE_ERROR_LIMIT = 100.0  # meV/Angstrom, mean absolute error of a force component
MAX_STEPS = 3


def packed_boxes(seed: int, n_boxes: int) -> nodes.PackBox:
    """Make boxes of conformers that no other seed shares."""
    molecule = nodes.BuildConformers(smiles=SMILES, n_conformers=8, force_field="mmff", seed=seed)
    return nodes.PackBox(
        molecules=[molecule.frames],
        counts=[MOLECULES],
        density_g_per_cm3=DENSITY_G_PER_CM3,
        n_boxes=n_boxes,
        seed=seed,
    )


def distorted(boxes: list[Atoms], n_per_box: int, seed: int) -> nodes.RattleStructures:
    """Displace the atoms of boxes at random, about as much as they move at 350 K."""
    return nodes.RattleStructures(
        structures=boxes, n_per_frame=n_per_box, stdev_angstrom=0.04, seed=seed
    )


def labelled_boxes(seed: int, n_boxes: int, n_per_box: int) -> nodes.LabelFrames:
    """Make boxes, distort them, and label them."""
    frames = distorted(packed_boxes(seed, n_boxes).frames, n_per_box, seed).frames
    return nodes.LabelFrames(structures=frames, calculator=REFERENCE)


@dataclasses.dataclass
class Campaign:
    """The nodes that all steps share, and the models made so far."""

    boxes: list[Atoms]
    valid: zn.Frames
    test: list[Atoms]
    models: list[nodes.TrainPotential] = dataclasses.field(default_factory=list)
    evaluations: list[nodes.EvaluatePotential] = dataclasses.field(default_factory=list)

    def train(self, frames: Any, epochs: int) -> nodes.EvaluatePotential:
        """Train on frames, going on from the latest model, and judge the result on the test set."""
        model = nodes.TrainPotential(
            train_frames=frames,
            valid_frames=self.valid,
            initial_model=self.models[-1] if self.models else None,
            hidden=(64, 64),
            n_members=8,
            n_epochs=epochs,
            batch_size=4,
            calibrate=True,
            seed=1,
        )
        evaluation = nodes.EvaluatePotential(structures=self.test, model=model)
        self.models.append(model)
        self.evaluations.append(evaluation)
        return evaluation

    def step(self, count: int, frames: Any) -> zn.Step:
        """Explore with the latest model, label what is new to it, train again."""
        model = self.models[-1]
        walk = nodes.JaxMD(
            structures=self.boxes,
            index=count,
            model=model,
            temperature_k=350.0,
            timestep_fs=0.5,
            n_steps=1200,
            sample_every=8,
            check_every=4,
            max_force_std_ev_per_angstrom=1.25,
            seed=count,
        )
        # A walk that stops at once gives few frames: distorted boxes fill up.
        reserve = distorted(self.boxes[count : count + 1], 6, seed=100 + count)
        chosen = nodes.SelectFarthestPoints(
            candidates=walk.frames + reserve.frames, n_select=6, model=model, exclude=frames
        )
        labelled = nodes.LabelFrames(structures=chosen.frames, calculator=REFERENCE)
        grown = frames + labelled.frames
        evaluation = self.train(grown, epochs=60)
        return zn.Step(carry=grown, watch=evaluation.metrics["forces"]["mae"])


def main() -> None:
    """Build the graph, run it, and say what came out."""
    project = zn.Project()
    with project:
        with project.group("start"):
            start = labelled_boxes(seed=1, n_boxes=6, n_per_box=4)
            split = nodes.SplitFrames(structures=start.frames, n_valid=6, seed=1)
        with project.group("test"):
            test = labelled_boxes(seed=2, n_boxes=8, n_per_box=3)
        with project.group("explore"):
            boxes = packed_boxes(seed=3, n_boxes=MAX_STEPS)
        campaign = Campaign(boxes.frames, split.valid_frames, test.frames)
        with project.group("start"):
            campaign.train(split.train_frames, epochs=120)
        stop = zn.Below(FORCE_ERROR_LIMIT)
        project.iterate(campaign.step, split.train_frames, stop, MAX_STEPS, name="learn")
        with project.group("report"):
            parity = nodes.PlotParity(
                reference=test.frames,
                predicted=campaign.evaluations[-1].frames,
                title="Ethanol, test set: neural network against GFN1-xTB",
            )
            curve = nodes.PlotLearningCurve(
                n_train=[model.metrics["n_train"] for model in campaign.models],
                evaluations=[evaluation.metrics for evaluation in campaign.evaluations],
            )
    project.repro()
    report(campaign.evaluations[-1], parity, curve)


def report(
    evaluation: nodes.EvaluatePotential, parity: nodes.PlotParity, curve: nodes.PlotLearningCurve
) -> None:
    """Print the error table, the learning curve, and where the plots are."""
    print("\nErrors on the test set, with 95 % bootstrap intervals over structures")
    for name, row in evaluation.metrics.items():
        mae = f"MAE {row['mae']:7.2f} [{row['mae_low']:.2f}, {row['mae_high']:.2f}]"
        rmse = f"RMSE {row['rmse']:7.2f} [{row['rmse_low']:.2f}, {row['rmse_high']:.2f}]"
        print(f"  {name:7s} {mae}  {rmse}  {row['unit']}")
    print("\nLearning curve")
    print(curve.curve[["n_train", "energy_mae", "forces_mae"]].to_string(index=False))
    print(f"\nPlots: {parity.page}  {parity.image}  {curve.image}")


if __name__ == "__main__":
    main()
