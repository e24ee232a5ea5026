"""The nodes of the library in a project: they fit together, and their graph is light."""

import ase.build
import ase.io
import numpy as np

import nodes
import zn_pipeline as zn


def test_every_node_takes_its_place_in_one_graph(tmp_project):
    ase.io.write(tmp_project.path / "start.xyz", ase.build.bulk("Cu"))
    with zn.Project() as project:
        loaded = nodes.LoadFrames(file="start.xyz")
        bulk = nodes.BuildBulk(formula="Cu", repeat=(2, 2, 2))
        slab = nodes.BuildSurface(structures=bulk.frames)
        water = nodes.BuildConformers(smiles="O")
        box = nodes.PackBox(molecules=[water.frames], counts=[4], density_g_per_cm3=0.5)
        rattled = nodes.RattleStructures(structures=loaded.frames + bulk.frames, n_per_frame=4)
        strained = nodes.StrainStructures(structures=bulk.frames, strains=[-0.02, 0.02])
        labelled = nodes.LabelFrames(
            structures=rattled.frames + strained.frames, calculator=nodes.Emt()
        )
        nodes.LabelFrames(name="Xtb", structures=box.frames[:1], calculator=nodes.Xtb())
        split = nodes.SplitFrames(structures=labelled.frames, n_valid=2, n_test=2)
        model = nodes.TrainPotential(
            train_frames=split.train_frames, valid_frames=split.valid_frames
        )
        dynamics = nodes.JaxMD(structures=slab.frames, model=model)
        chosen = nodes.SelectFarthestPoints(
            candidates=dynamics.frames, model=model, exclude=split.train_frames, n_select=3
        )
        nodes.SelectUniform(candidates=dynamics.frames, n_select=3)
        nodes.SelectRandom(candidates=chosen.excluded_frames, n_select=2)
        again = nodes.TrainPotential(
            name="again",
            train_frames=split.train_frames + chosen.frames,
            valid_frames=split.valid_frames,
            initial_model=model,
        )
        tests = [
            nodes.EvaluatePotential(structures=split.test_frames, model=one)
            for one in (model, again)
        ]
        nodes.PlotParity(reference=split.test_frames, predicted=tests[0].frames)
        nodes.PlotLearningCurve(
            n_train=[model.metrics["n_train"], again.metrics["n_train"]],
            evaluations=[test.metrics for test in tests],
        )
    project.build()
    text = (tmp_project.path / "dvc.yaml").read_text()
    for name in ("LoadFrames", "PackBox", "TrainPotential", "JaxMD", "PlotLearningCurve"):
        assert f"\n  {name}:" in text


def test_a_chain_without_a_model_runs_in_a_project(tmp_project):
    with zn.Project() as project:
        bulk = nodes.BuildBulk(formula="Cu", repeat=(2, 1, 1))
        rattled = nodes.RattleStructures(structures=bulk.frames, n_per_frame=12)
        labelled = nodes.LabelFrames(structures=rattled.frames, calculator=nodes.Emt())
        split = nodes.SplitFrames(structures=labelled.frames, n_valid=2, n_test=4)
        chosen = nodes.SelectFarthestPoints(
            candidates=split.train_frames,
            exclude=split.valid_frames,
            model=nodes.DistanceHistogram(),
            n_select=3,
        )
        test = nodes.EvaluatePotential(
            structures=split.test_frames, model=nodes.Emt(), n_resamples=10
        )
        parity = nodes.PlotParity(reference=split.test_frames, predicted=test.frames)
    project.repro(executor=zn.SequentialExecutor())
    assert len(chosen.frames) == 3
    assert len(chosen.excluded_frames) == 3
    train = split.train_frames
    for frame, row in zip(chosen.frames, chosen.rows, strict=True):
        np.testing.assert_array_equal(frame.positions, train[int(row)].positions)
        assert frame.get_potential_energy() == train[int(row)].get_potential_energy()
    assert test.metrics["forces"]["rmse"] < 1e-6
    assert parity.page.is_file()
