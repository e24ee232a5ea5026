import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.atoms import structure_of
from nodes.interfaces import HasCalculator, HasEnergyModel, HasFeatures, HasPredictions
from nodes.numerics import fit
from nodes.reference.calculators import Emt
from nodes.reference.labelling import LabelFrames
from nodes.training.potential import TrainPotential, _with_properties
from nodes.training.settings import (
    ElementEnergies,
    GlobalScale,
    Loss,
    Optimizer,
    Plateau,
    Transfer,
)

SMALL = {
    "cutoff_angstrom": 4.0,
    "n_basis": 6,
    "n_radial": 3,
    "n_contractions": 2,
    "hidden": (8,),
    "n_members": 2,
    "n_epochs": 25,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "ema": 0.9,
    "seed": 4,
}


@pytest.fixture(scope="module")
def labelled():
    copper = ase.build.bulk("Cu").repeat(2)
    rattled = [copper.copy() for _ in range(24)]
    for number, atoms in enumerate(rattled):
        rng = np.random.default_rng([0, 0, number])
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    node = LabelFrames(
        structures=rattled, calculator=Emt(), properties=["energy", "forces", "stress"]
    )
    node.run()
    return node.frames


def trained(labelled, cls=TrainPotential, **fields):
    settings = SMALL | fields
    node = cls(train_frames=labelled[:16], valid_frames=labelled[16:20], **settings)
    node.run()
    return node


@pytest.fixture(scope="module")
def model(labelled):
    return trained(labelled)


def test_the_model_learns_the_forces(model, labelled):
    forces = np.concatenate([frame.get_forces() for frame in labelled[20:]])
    predicted = np.concatenate([frame.get_forces() for frame in model.predict(labelled[20:])])
    assert np.sqrt(np.mean((predicted - forces) ** 2)) < 0.35 * forces.std()


def test_history_and_metrics_agree(model):
    assert model.history["epoch"].tolist() == list(range(1, 26))
    best = model.metrics["best_epoch"]
    assert model.history["valid_loss"].idxmin() == best - 1
    row = model.history.iloc[best - 1]
    assert row["forces_mae_ev_per_angstrom"] == row["valid_forces_mae"]
    assert row["valid_stress_rmse"] > 0.0
    found = model.metrics["forces_mae_mev_per_angstrom"]
    assert found == pytest.approx(1e3 * row["forces_mae_ev_per_angstrom"])
    assert (model.metrics["n_train"], model.metrics["n_valid"]) == (16, 4)
    assert model.metrics["spread_factor"] == 1.0


def test_the_node_has_every_interface_of_a_model(model):
    for interface in (HasCalculator, HasEnergyModel, HasFeatures, HasPredictions):
        assert isinstance(model, interface)


def test_predictions_of_many_equal_those_of_the_calculator(model, labelled):
    frames = [labelled[20], labelled[21]]
    for predicted, frame in zip(model.predict(frames), frames, strict=True):
        alone = frame.copy()
        alone.calc = model.get_calculator()
        spread = alone.calc.get_property("forces_std", alone)
        energy = predicted.get_potential_energy()
        assert energy == pytest.approx(alone.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(predicted.get_forces(), alone.get_forces(), atol=1e-4)
        np.testing.assert_allclose(predicted.get_stress(), alone.get_stress(), atol=1e-5)
        np.testing.assert_allclose(predicted.arrays["forces_std"], spread, atol=1e-4)
        assert predicted.info["energy_std"] == pytest.approx(
            alone.calc.get_property("energy_std", alone), abs=1e-4
        )


def test_features_are_per_atom_and_tell_structures_apart(model, labelled):
    crystal = ase.build.bulk("Cu")
    features = model.features([crystal, crystal.repeat((2, 1, 1)), *labelled[:3]])
    assert features.shape == (5, 9)
    np.testing.assert_allclose(features[0], features[1], rtol=1e-3, atol=1e-4)
    assert np.abs(features[2] - features[3]).max() > 1e-3


class Killed(TrainPotential):
    """Stops in the middle of its first run."""

    def progress(self, done, total):
        self.epochs = [*self.__dict__.get("epochs", []), done]
        if self.epochs.count(15) == 1 and done == 15:
            raise KeyboardInterrupt


def test_a_killed_run_goes_on_and_ends_with_the_same_model(model, labelled):
    node = Killed(train_frames=labelled[:16], valid_frames=labelled[16:20], **SMALL)
    with pytest.raises(KeyboardInterrupt):
        node.run()
    node.run()
    assert node.epochs == [*range(1, 16), *range(11, 26)]
    assert {**node.metrics, "n_compilations": 0} == {**model.metrics, "n_compilations": 0}
    first, again = (
        n.energy_model()[1]["weights"]["representation"]["radial"] for n in (model, node)
    )
    np.testing.assert_array_equal(first, again)


def test_training_goes_on_from_an_initial_model(model, labelled):
    node = trained(labelled, initial_model=model, n_epochs=1, learning_rate=1e-6)
    column = "forces_mae_ev_per_angstrom"
    before = model.history[column].iloc[model.metrics["best_epoch"] - 1]
    assert node.history[column].iloc[0] == pytest.approx(before, rel=0.02)


def test_an_initial_model_that_does_not_fit_is_refused(model, labelled):
    with pytest.raises(ValueError, match=r"representation.* must have the shape of the initial"):
        trained(labelled, initial_model=model, n_basis=5)


def test_settings_are_handed_on():
    node = TrainPotential(
        train_frames=[],
        losses=[Loss("forces", "cosine_sim", weight=2.0)],
        optimizer=Optimizer("sgd", rates={"layers": 0.1}, schedule=Plateau(patience=3)),
        shift=ElementEnergies({29: -3.5}),
        scale=GlobalScale(0.5),
        transfer=Transfer(refit_shift=True),
        ema_start_epoch=2,
        min_delta=0.1,
        max_shapes=2,
        **SMALL,
    )
    config = node._fit_config()
    assert config.losses == (fit.Loss("forces", "cosine_sim", 2.0),)
    assert config.optimizer.schedule == fit.Plateau(patience=3)
    assert config.shift == fit.ElementEnergies({29: -3.5})
    assert config.transfer.refit_shift
    assert (config.ema_start_epoch, config.min_delta, config.max_shapes) == (2, 0.1, 2)
    default = TrainPotential(train_frames=[], loss="mse", learning_rate=0.5)._fit_config()
    assert default.losses[0] == fit.Loss("energy", "mse")
    assert default.optimizer.learning_rate == 0.5


def test_the_shape_of_the_model_is_free():
    node = TrainPotential(train_frames=[], ensemble="full", precision="float64", zbl=True, **SMALL)
    config = node._model_config({29})
    assert (config.ensemble, config.precision.readout) == ("full", "float64")
    assert [correction.name for correction in config.corrections] == ["zbl"]
    section = {"name": "equiv-mp", "basis": {"name": "bessel", "n_basis": 7, "r_max": 4.5}}
    config = TrainPotential(train_frames=[], model=section)._model_config({29, 47})
    assert config.representation.name.startswith("equi")
    assert (config.elements, config.cutoff_angstrom) == ((29, 47), 4.5)


def test_labels_of_property_heads_come_from_info_and_arrays(labelled):
    frame = labelled[0].copy()
    frame.info["total"] = 3.0
    frame.arrays["charge"] = np.arange(8.0)
    (structure,) = _with_properties([structure_of(frame)], [frame], ["total", "charge", "other"])
    assert set(structure.properties) == {"total", "charge"}
    assert structure.properties["total"] == 3.0


def test_calibration_scales_the_spread(model, labelled):
    node = trained(labelled, calibrate=True)
    factor = node.metrics["spread_factor"]
    assert factor != 1.0
    (before,), (after,) = (n.predict(labelled[20:22])[:1] for n in (model, node))
    np.testing.assert_allclose(
        after.arrays["forces_std"], factor * before.arrays["forces_std"], rtol=0.02, atol=1e-3
    )
    np.testing.assert_allclose(after.get_forces(), before.get_forces(), atol=1e-3)


def test_unlabelled_frames_are_refused():
    with pytest.raises(ValueError, match=r"structure 0: .* label them with LabelFrames"):
        TrainPotential(train_frames=[ase.build.bulk("Cu")]).run()


def test_the_node_keeps_the_contract(labelled):
    zn.testing.check_node(
        TrainPotential, train_frames=labelled[:16], valid_frames=labelled[16:20], **SMALL
    )
