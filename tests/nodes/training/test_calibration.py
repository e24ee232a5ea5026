import dataclasses
from typing import ClassVar

import ase.build
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.atoms import structures_of
from nodes.numerics.potentials import EnergyModel, ModelConfig, Readout, config
from nodes.numerics.potentials.representation import Description
from nodes.training.calibration import CalibrateUncertainty


@dataclasses.dataclass(frozen=True)
class Distances:
    """Smooth sums over neighbours, with learned widths: a model that is compiled in no time."""

    name: ClassVar[str] = "distances"
    n_features: ClassVar[int] = 4

    def init(self, key, *, n_elements, cutoff, dtype):
        return {"widths": jnp.arange(1.0, 1.0 + self.n_features, dtype=dtype) / cutoff}

    def describe(self, weights, edges, *, cutoff, equivariant=False):
        r = jnp.linalg.norm(edges.vectors, axis=-1)
        near = jnp.where((edges.sender >= 0) & (r < cutoff), (1.0 - r / cutoff) ** 3, 0.0)
        near = near * (1.0 + 0.5 * edges.sender)
        return Description(jnp.sum(near[..., None] * jnp.cos(r[..., None] * weights["widths"]), 1))


CONFIG = ModelConfig(
    elements=(29,),
    cutoff_angstrom=3.5,
    representation=Distances(),
    readout=Readout(hidden=(4,)),
    n_members=3,
)


def labelled(n):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n):
        frame = ase.build.bulk("Cu", cubic=True)
        frame.positions += 0.1 * rng.normal(size=(4, 3))
        frame.calc = EMT()
        results = {"energy": frame.get_potential_energy(), "forces": frame.get_forces()}
        frame.calc = SinglePointCalculator(frame, **results)
        frames.append(frame)
    return frames


FRAMES = labelled(6)


@dataclasses.dataclass(frozen=True)
class Untrained:
    """A model with random weights."""

    full: bool = False

    def energy_model(self):
        ensemble = "full" if self.full else "shallow"
        model = EnergyModel(dataclasses.replace(CONFIG, ensemble=ensemble))
        return model, model.init(jax.random.key(1))


def normalised(frames, reference):
    energies = [
        (a.get_potential_energy() - b.get_potential_energy()) / a.info["energy_std"]
        for a, b in zip(frames, reference, strict=True)
    ]
    forces = [
        (a.get_forces() - b.get_forces()) / a.arrays["forces_std"]
        for a, b in zip(frames, reference, strict=True)
    ]
    return tuple(float(np.sqrt(np.mean(np.square(z)))) for z in (energies, forces))


def calibrated(**fields):
    node = CalibrateUncertainty(frames=FRAMES, **fields)
    node.run()
    return node


@pytest.fixture(autouse=True)
def known_representation(monkeypatch):
    """Saved models may be of this kind."""
    monkeypatch.setitem(config._KINDS, "Distances", Distances)


@pytest.mark.parametrize("full", [False, True], ids=["shallow", "full"])
def test_errors_over_uncertainties_have_unit_variance_and_means_are_kept(full):
    node = calibrated(model=Untrained(full=full))
    predicted = node.predict(FRAMES)
    assert normalised(predicted, FRAMES) == pytest.approx((1.0, 1.0), rel=1e-3)
    model, params = Untrained(full=full).energy_model()
    before = model.predict_many(params, structures_of(FRAMES), forces_std=True)
    for frame, seen in zip(predicted, before, strict=True):
        assert frame.get_potential_energy() == pytest.approx(seen.energy, abs=1e-3)
        np.testing.assert_allclose(frame.get_forces(), seen.forces, atol=1e-3)


def test_the_calculator_has_the_same_uncertainties():
    node = calibrated(model=Untrained())
    (predicted,) = node.predict(FRAMES[:1])
    atoms = FRAMES[0].copy()
    atoms.calc = node.get_calculator()
    atoms.calc.calculate(atoms, ["energy", "forces_std"])
    energy_std, forces_std = (atoms.calc.results[name] for name in ("energy_std", "forces_std"))
    assert energy_std == pytest.approx(predicted.info["energy_std"], rel=1e-3)
    np.testing.assert_allclose(forces_std, predicted.arrays["forces_std"], rtol=1e-3, atol=1e-5)


def test_the_factor_of_the_forces_is_part_of_the_model():
    node = calibrated(model=Untrained(), target="forces")
    assert node.metrics["energy_factor"] == node.metrics["forces_factor"]
    model, params = node.energy_model()
    seen = model.predict_many(params, structures_of(FRAMES), forces_std=True)
    for frame, one in zip(node.predict(FRAMES), seen, strict=True):
        np.testing.assert_allclose(one.forces_std, frame.arrays["forces_std"], rtol=1e-5)
        assert one.energy_std == pytest.approx(frame.info["energy_std"], rel=1e-5)


def test_tables_and_metrics_tell_what_became_better():
    node = calibrated(model=Untrained(), score="crps", n_bins=3)
    for name in ("energy", "forces"):
        scores = node.metrics[name]
        assert scores["crps_after"] < scores["crps_before"]
        assert 0.0 <= scores["miscalibration_after"] <= 0.5
    curve = node.reliability
    assert curve.probability.tolist() == pytest.approx(np.linspace(0.0, 1.0, 21).tolist())
    assert (curve.iloc[0, 1:] == 0.0).all()
    assert (curve.iloc[-1, 1:] == 1.0).all()
    assert node.table.groupby("property")["n_values"].sum().to_dict() == {"energy": 6, "forces": 72}
    assert node.table.bin.tolist() == [1, 2, 3, 1, 2, 3]


def test_labels_are_needed():
    with pytest.raises(ValueError, match=r"structure 0: .* label them with LabelFrames"):
        CalibrateUncertainty(model=Untrained(), frames=[ase.build.bulk("Cu")]).run()


def test_the_node_keeps_the_contract():
    zn.testing.check_node(CalibrateUncertainty, model=Untrained(), frames=FRAMES)
