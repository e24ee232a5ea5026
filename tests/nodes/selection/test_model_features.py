import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nodes
import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.interfaces import HasFeatures
from nodes.numerics.feature_maps import (
    force_features,
    last_layer_features,
    projected_gradients,
)
from nodes.numerics.potentials import EnergyModel, ModelConfig, Readout
from nodes.numerics.potentials.representation import Description
from nodes.selection.batches import SelectLCMD
from nodes.selection.describing import DescribeFrames
from nodes.selection.features import DistanceHistogram
from nodes.selection.model_features import (
    EnsembleFeatures,
    ForceFeatures,
    GradientFeatures,
    LastLayerFeatures,
)
from nodes.selection.subsets import SelectFarthestPoints


@dataclass(frozen=True)
class Nearness:
    """How near the neighbours are: a model that is compiled in no time."""

    name: ClassVar[str] = "nearness"
    n_features: ClassVar[int] = 2

    def init(self, key, *, n_elements, cutoff, dtype):
        return jnp.ones(2, dtype)

    def describe(self, weights, edges, *, cutoff, equivariant=False):
        r = jnp.linalg.norm(edges.vectors, axis=-1, keepdims=True)
        near = jnp.where(r < cutoff, (1.0 - r / cutoff) ** 3, 0.0)
        return Description(jnp.sum(near * jnp.cos(weights * jnp.array([1.0, 2.0]) * r), 1))


MODEL = EnergyModel(ModelConfig((1, 8), 4.0, Nearness(), readout=Readout(hidden=(3,)), n_members=2))
FRAMES = [ase.build.molecule(name) for name in ("H2O", "H2O2", "OH")]


@dataclass(frozen=True)
class Trained:
    seed: int = 0

    def energy_model(self):
        return MODEL, MODEL.init(jax.random.key(self.seed))


@dataclass(frozen=True)
class CountingModel(Trained):
    calls: ClassVar[list[int]] = []

    def energy_model(self):
        self.calls.append(1)
        return super().energy_model()


def test_features_are_those_of_the_maps_per_atom():
    model, params = Trained().energy_model()
    structures, sizes = structures_of(FRAMES), np.array([[3], [4], [2]])
    expected = {
        LastLayerFeatures(Trained()): last_layer_features(model, params, structures),
        ForceFeatures(Trained()): force_features(model, params, structures),
        GradientFeatures(Trained(), n_projections=5, seed=1): projected_gradients(
            model, params, structures, n_projections=5, seed=1
        ),
    }
    for spec, rows in expected.items():
        assert isinstance(spec, HasFeatures)
        np.testing.assert_allclose(spec.features(FRAMES), rows / sizes)
    whole = LastLayerFeatures(Trained(), per_atom=False).features(FRAMES)
    np.testing.assert_allclose(whole, last_layer_features(model, params, structures))


def test_an_ensemble_has_the_mean_kernel_of_its_members():
    members = (LastLayerFeatures(Trained(0)), LastLayerFeatures(Trained(1)), DistanceHistogram())
    rows = EnsembleFeatures(members).features(FRAMES)
    kernels = [f @ f.T for f in (member.features(FRAMES) for member in members)]
    np.testing.assert_allclose(rows @ rows.T, np.mean(kernels, axis=0), rtol=1e-6)


def test_a_model_describes_all_structures_at_once():
    CountingModel.calls.clear()
    node = DescribeFrames(structures=FRAMES, descriptor=LastLayerFeatures(CountingModel()))
    node.run()
    assert len(CountingModel.calls) == 1
    assert node.features.shape == (3, 4)
    CountingModel.calls.clear()
    nested = EnsembleFeatures([LastLayerFeatures(CountingModel()), DistanceHistogram()])
    node = DescribeFrames(structures=FRAMES, descriptor=nested)
    node.run()
    assert len(CountingModel.calls) == 1


def test_structures_are_selected_by_what_the_model_would_learn():
    node = SelectFarthestPoints(
        candidates=FRAMES, n_select=2, model=LastLayerFeatures(Trained()), exclude=FRAMES[:1]
    )
    node.run()
    assert sorted(node.rows.tolist()) == [1, 2]


def test_the_kind_of_force_features_is_checked():
    with pytest.raises(ValueError, match='kind must be "sum" or "flatten", received \'raw\''):
        ForceFeatures(Trained(), kind="raw").features(FRAMES)


def test_a_node_with_such_a_spec_keeps_the_contract():
    zn.testing.check_node(
        DescribeFrames, structures=FRAMES, descriptor=LastLayerFeatures(Trained())
    )


def test_the_model_of_a_spec_may_be_a_node_of_the_graph(tmp_project):
    with zn.Project() as project:
        crystal = nodes.BuildBulk(formula="Cu")
        known = nodes.LabelFrames(structures=crystal.frames, calculator=nodes.Emt())
        model = nodes.TrainPotential(train_frames=known.frames)
        rattled = nodes.RattleStructures(structures=crystal.frames, n_per_frame=4)
        SelectLCMD(
            candidates=rattled.frames,
            n_select=2,
            model=EnsembleFeatures([LastLayerFeatures(model), GradientFeatures(model)]),
            exclude=known.frames,
        )
    project.build()
    wires = json.loads(Path("graph.json").read_text())
    assert json.dumps(wires).count("model_features:") == 3
