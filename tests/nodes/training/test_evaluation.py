import json
import types

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.schema.reading import check_config
from nodes.training import evaluation
from nodes.training.config.train import TrainConfig
from nodes.training.evaluation import error_table, evaluate, wants_force_std

SIZES = (1, 2, 4)


class OffByOne:
    """Predicts energies that are 1 eV, and forces that are 0.5 eV/Angstrom, too high."""

    def predict_many(self, params, structures, *, batch_size, forces_std):
        self.asked = (len(structures), batch_size, forces_std)
        return [
            types.SimpleNamespace(
                energy=s.energy + 1.0,
                energy_std=2.0,
                forces=None if s.forces is None else s.forces + 0.5,
                forces_std=np.full((len(s), 3), 0.5) if forces_std else None,
                stress=None,
                properties={"charge": s.properties.get("charge", np.zeros(0)) + 3.0},
            )
            for s in structures
        ]


def settings(**model):
    content = {
        "n_epochs": 1,
        "data": {
            "directory": "m", "experiment": "e", "train_data_path": "x", "test_data_path": "t.xyz",
            "valid_batch_size": 7,
        },
        "model": {
            "name": "gmnn", "property_heads": [{"name": "charge"}],
            "ensemble": {"kind": "shallow", "n_members": 2},
        } | model,
        "loss": [{"name": "energy"}],
    }  # fmt: skip
    return check_config(content, TrainConfig)


@pytest.fixture
def model(monkeypatch):
    frames = []
    for size in SIZES:
        atoms = ase.build.bulk("Cu").repeat((size, 1, 1))
        results = {"energy": 3.0} | ({"forces": np.zeros((size, 3))} if size > 1 else {})
        atoms.set_array("charge", np.ones(size))
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    ase.io.write("t.xyz", frames)
    found = OffByOne()
    monkeypatch.setattr(evaluation, "load_trained", lambda _: (found, None))
    settings().directory.mkdir(parents=True)
    return found


def test_every_structure_and_every_component_counts_alike(model):
    found = evaluate(settings())
    assert found["n_structures"] == 3
    assert found["energy_mae"] == pytest.approx(np.mean([1.0, 0.5, 0.25]))
    assert found["energy_rmse"] == pytest.approx(np.sqrt(np.mean([1.0, 0.25, 0.0625])))
    assert found["energy_max"] == pytest.approx(1.0)
    assert found["forces_mae"] == found["forces_max"] == pytest.approx(0.5)
    assert found["charge_rmse"] == pytest.approx(3.0)
    assert found["forces_std"] == pytest.approx(0.5)
    nll = np.log(0.5) + 0.5 + 0.5 * np.log(2 * np.pi)
    assert found["forces_nll"] == pytest.approx(nll)
    assert json.loads((settings().directory / "test_metrics.json").read_text()) == found
    assert model.asked == (3, 7, True)


def test_fewer_structures_and_no_spread_of_forces_on_request(model):
    plain = settings(ensemble={"kind": "shallow", "n_members": 2, "force_variance": False})
    found = evaluate(plain, n_data=2)
    assert model.asked == (2, 7, False)
    assert "forces_nll" not in found
    assert "energy_nll" in found
    assert "energy_nll" not in evaluate(settings(ensemble=None))


def test_the_table_is_in_units_that_people_use(model):
    lines = error_table(evaluate(settings()))
    assert lines[1].split() == ["energy", "583.3", "661.4", "1000", "meV/atom"]
    assert lines[2].split() == ["forces", "500", "500", "500", "meV/Angstrom"]
    assert lines[-1] == "3 structures"


def test_only_ensembles_have_uncertain_forces():
    assert wants_force_std(settings())
    assert wants_force_std(settings(ensemble={"kind": "full", "n_members": 2}))
    assert not wants_force_std(settings(ensemble=None))
