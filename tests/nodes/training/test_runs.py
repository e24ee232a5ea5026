"""Training runs in folders: kill and resume, logs, errors."""

import csv
import json
import os
import subprocess
import sys
import time

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.numerics.storage import read_arrays
from nodes.schema.reading import ConfigError, check_config, write_config
from nodes.training.config.train import TrainConfig
from nodes.training.evaluation import evaluate
from nodes.training.runs import find_run, load_trained, train

CONTENT = {
    "n_epochs": 8,
    "ckpt_interval": 2,
    "data": {
        "directory": "models", "experiment": "a", "data_path": "data.xyz", "n_train": 12,
        "n_valid": 4, "batch_size": 4, "valid_batch_size": 4,
    },
    "model": {
        "name": "gmnn", "basis": {"name": "bessel", "n_basis": 4, "r_max": 3.5}, "nn": [4],
        "n_radial": 2, "n_contr": 2, "ensemble": {"kind": "shallow", "n_members": 2},
    },
    "loss": [{"name": "energy", "loss_type": "crps"}, {"name": "forces"}],
    "optimizer": {"nn_lr": 1e-2},
    "progress_bar": {"disable_epoch_pbar": True},
    "callbacks": [{"name": "csv"}, {"name": "dvc"}],
}  # fmt: skip


def settings(**values):
    return check_config(CONTENT | values, TrainConfig)


def data(**values):
    return CONTENT["data"] | values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(20):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    ase.io.write(folder / "data.xyz", frames)
    return folder


@pytest.fixture
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return train(settings())


def weights(folder):
    return read_arrays(folder / "best" / "weights.npz")


def test_a_run_leaves_model_logs_split_and_summary(trained, inside):
    run = inside / "models/a"
    assert json.loads((run / "summary.json").read_text())["n_epochs"] == 8
    with (run / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 9)]
    assert float(rows[-1]["val_forces_mae"]) > 0.0
    assert json.loads((run / "dvclive/metrics.json").read_text())["epoch"] == 8
    assert find_run(run) == find_run(run / "config.yaml") == settings()
    assert (trained.n_train, trained.n_valid, trained.n_shapes) == (12, 4, 1)
    text = "\n".join(trained.lines)
    assert f"{trained.n_parameters} parameters" in text
    assert "compilations" in text
    assert "meV/atom" in text


def test_the_saved_model_has_the_logged_errors(trained, inside):
    model, _ = load_trained(inside / "models/a")
    leaves = weights(inside / "models/a")
    learned = {name: leaf for name, leaf in leaves.items() if name.startswith("['weights']")}
    assert trained.n_parameters == sum(leaf.size for leaf in learned.values())
    assert model.config.elements == (29,)
    split = json.loads((inside / "models/a/split.json").read_text())
    frames = [ase.io.read("data.xyz", index=row) for row in split["valid"]]
    ase.io.write("valid.xyz", frames)
    config = settings(data=data(test_data_path="valid.xyz"))
    found = evaluate(config)
    assert found["n_structures"] == 4
    best = trained.metrics
    assert found["forces_mae"] == pytest.approx(best["valid_forces_mae"], rel=1e-4)
    assert found["energy_mae"] == pytest.approx(best["valid_energy_per_atom_mae"], rel=1e-4)


def test_a_folder_with_another_run_is_refused(trained, inside):
    with pytest.raises(
        ConfigError, match=r"other settings: data\.batch_size, n_epochs; begin anew"
    ):
        train(settings(n_epochs=9, data=data(batch_size=3)))
    assert find_run(inside / "models/a") == settings()


@pytest.mark.slow
def test_a_run_may_begin_with_the_model_of_another(trained, inside):
    transfer = {"base_model_checkpoint": "models/a", "freeze_layers": ["dense_0"]}
    again = data(experiment="b")
    train(settings(n_epochs=1, data=again, transfer_learning=transfer))
    old, new = weights(inside / "models/a"), weights(inside / "models/b")
    frozen = "['weights']['layers'][0]['w']"
    assert np.array_equal(old[frozen], new[frozen])
    moved = "['weights']['layers'][1]['w']"
    assert not np.array_equal(old[moved], new[moved])


def test_a_place_without_a_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match="must be a trained model, the folder of a run"):
        load_trained(tmp_path)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_model(trained, inside):
    for name in ("killed", "whole"):
        config = settings(n_epochs=200, ckpt_interval=5, data=data(experiment=name))
        write_config(inside / f"{name}.yaml", config)
    command = [sys.executable, "-m", "zn_pipeline.cli", "train"]
    environment = os.environ | {"PYTHONPATH": ""}
    process = subprocess.Popen(
        [*command, "killed.yaml"], env=environment, stdout=subprocess.DEVNULL
    )
    checkpoint = inside / "models/killed/checkpoint/fit.npz"
    for _ in range(3000):
        if checkpoint.is_file():
            break
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert not (inside / "models/killed/best").exists()
    tables = []
    for name in ("killed", "whole"):
        options = {"env": environment, "capture_output": True, "text": True, "check": True}
        done = subprocess.run([*command, f"{name}.yaml"], **options)
        assert "epochs: 200" in done.stdout
        with (inside / "models" / name / "log.csv").open() as file:
            rows = list(csv.DictReader(file))
        tables.append([{k: v for k, v in row.items() if k != "epoch_time"} for row in rows])
    assert tables[0] == tables[1]
    one, other = weights(inside / "models/killed"), weights(inside / "models/whole")
    assert [name for name in other if not np.array_equal(one[name], other[name])] == []
    assert len(tables[0]) == 200
