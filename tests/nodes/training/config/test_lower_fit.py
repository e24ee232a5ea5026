import pytest

from nodes.numerics.fit.scale_shift import ElementEnergies, ElementScales, Regression
from nodes.schema.reading import check_config
from nodes.training.config.lower_fit import lower_fit, per_step_decay
from nodes.training.config.train import TrainConfig


def lowered(n_train=20, data=None, model=None, **values):
    content = {
        "n_epochs": 5,
        "data": {"directory": "m", "experiment": "e", "data_path": "a", "batch_size": 4}
        | (data or {}),
        "model": model or {"name": "gmnn"},
        "loss": [{"name": "energy"}],
    }
    return lower_fit(check_config(content | values, TrainConfig), n_train)


def test_an_average_over_epochs_is_one_over_steps():
    assert lowered().ema == 0.0
    average = lowered(weight_average={"alpha": 0.9, "ema_start": 2})
    assert average.ema ** (20 / 4) == pytest.approx(0.1)
    assert average.ema_start_epoch == 2
    assert per_step_decay(1.0, 7) == 0.0


def test_clipping_is_by_component_as_in_apax():
    fit = lowered(optimizer={"gradient_clipping": 10.0, "max_norm": 2.0})
    assert (fit.optimizer.max_value, fit.optimizer.max_norm) == (10.0, 2.0)
    assert lowered(optimizer={"gradient_clipping": 0.0}).optimizer.max_value is None


def test_rates_belong_to_parameters():
    rates = dict(lowered(optimizer={"emb_lr": 0.5, "rates": {"layers.1": 0.25}}).optimizer.rates)
    assert rates["representation"] == 0.5
    assert rates["layers.1"] == 0.25
    messages = lowered(model={"name": "equiv-mp"}, optimizer={"emb_lr": 0.5, "nn_lr": 0.1})
    assert dict(messages.optimizer.rates)["representation.embedding"] == 0.5
    assert "representation" not in dict(messages.optimizer.rates)
    assert messages.optimizer.learning_rate == 0.1


def test_layers_may_have_their_names_of_apax():
    transfer = {"reset_layers": ["dense_2", "scale_shift"], "freeze_layers": ["descriptor"]}
    fit = lowered(transfer_learning=transfer, optimizer={"freeze": ["scale"]})
    assert fit.transfer.reset == ("layers.2", "scale", "shift")
    assert fit.optimizer.freeze == ("scale", "representation")


def test_shifts_and_scales_are_by_element_and_in_ev():
    assert lowered().shift == Regression(1.0)
    data = {
        "shift_method": "isolated_atom_energy_shift", "energy_unit": "Hartree",
        "shift_options": {"E0s": {"H": -0.5}},
        "scale_method": "per_element_custom_scale", "scale_options": {"factors": {1: 2.0}},
    }  # fmt: skip
    fit = lowered(data=data)
    assert isinstance(fit.shift, ElementEnergies)
    assert dict(fit.shift.energies)[1] == pytest.approx(-13.6057, abs=1e-3)
    assert fit.scale == ElementScales({1: 2.0})


@pytest.mark.parametrize(
    ("dataset", "max_shapes", "resident_gib"),
    [
        ({"processing": "cached"}, 1, None),
        ({"processing": "otf"}, 1, 0.0),
        ({"processing": "pbp"}, 8, None),
        ({"processing": "packed", "max_shapes": 2, "resident_gib": 3.0}, 2, 3.0),
    ],
)
def test_kinds_of_data_sets_are_mapped(dataset, max_shapes, resident_gib):
    fit = lowered(data={"dataset": dataset})
    assert (fit.max_shapes, fit.resident_gib) == (max_shapes, resident_gib)
