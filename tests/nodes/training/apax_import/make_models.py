"""Train the apax models of this folder and write down what apax itself predicts with them.

Run it with an interpreter that has apax 0.14: ``python make_models.py``. The tests read what it
leaves in ``data``: model directories, ``frames.extxyz`` and one npz of predictions per model.

Most models are trained for a few epochs; those of `DRAWN`, which differ from them in one part only,
keep their random initial weights. Two things are then done to a checkpoint, before apax predicts
with it: what belongs to elements that do not occur in the data becomes zero and the state of the
optimizer is dropped, so that the files are small; and numbers that begin equal for all elements,
or that few epochs hardly move, are shifted.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import yaml
from apax.config import parse_config
from apax.md import ASECalculator
from apax.train.run import run  # importing apax switches JAX to float64
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

DATA = Path(__file__).parent / "data"
N_ELEMENTS = 119
PRESENT = [29, 79]
CUTOFF = 3.4
"""Below half the height of the cells: apax leaves out edges between an atom and its own image."""

BESSEL = {"name": "bessel", "n_basis": 4, "r_max": CUTOFF}
GAUSSIAN = {"name": "gaussian", "n_basis": 4, "r_min": 0.5, "r_max": CUTOFF}
GMNN = {"name": "gmnn", "n_radial": 3, "nn": [8, 8], "basis": BESSEL}
FLOAT64 = {"descriptor_dtype": "fp64", "readout_dtype": "fp64"}
SHALLOW = {"kind": "shallow", "n_members": 4}

MODELS: dict[str, dict[str, Any]] = {
    "bessel": GMNN | FLOAT64 | {"calc_stress": True},
    "single": GMNN | {"nn": [12]},
    "gaussian": GMNN
    | FLOAT64
    | {"basis": GAUSSIAN, "n_contr": 5, "use_ntk": True, "w_init": "normal", "b_init": "normal"},
    "exponential": GMNN
    | FLOAT64
    | {
        "basis": GAUSSIAN | {"spacing": "exponential"},
        "emb_init": None,
        "activation_fn": "tanh",
        "n_contr": 7,
    },
    "shallow": GMNN | FLOAT64 | {"ensemble": SHALLOW, "calc_stress": True},
    "full": GMNN
    | FLOAT64
    | {
        "ensemble": {"kind": "full", "n_members": 3},
        "empirical_corrections": [{"name": "zbl", "r_max": 3.0}],
    },
    "corrected": GMNN
    | FLOAT64
    | {
        "empirical_corrections": [
            {"name": "zbl", "r_max": 3.0},
            {"name": "exponential", "r_max": 2.8},
        ]
    },
    "heads": GMNN
    | FLOAT64
    | {
        "property_heads": [
            {"name": "charges", "nn": [6], "dtype": "fp64"},
            {"name": "gap", "nn": [6], "aggregation": "sum", "n_shallow_members": 3},
            {"name": "mean_charge", "nn": [6], "aggregation": "mean", "use_ntk": True},
        ]
    },
    "equivariant": {
        "name": "equiv-mp",
        "features": 6,
        "max_degree": 2,
        "num_iterations": 2,
        "nn": [8],
        "basis": BESSEL,
    }
    | FLOAT64,
    "member": GMNN | FLOAT64 | {"calc_stress": True},
}

DRAWN = ("corrected", "heads", "equivariant", "member")


def make_frames(count: int, rng: np.random.Generator) -> list[Atoms]:
    """Disordered alloys of 8 to 27 atoms, each cell wider than twice the cutoff."""
    frames = []
    for index in range(count):
        size = (3, 3, 3) if index % 3 else (2, 2, 2)
        frame = bulk("Cu", "fcc", a=3.9, cubic=index % 3 == 0) * size
        frame.symbols[rng.random(len(frame)) < 0.4] = "Au"
        strain = np.eye(3) + rng.uniform(-0.02, 0.04, (3, 3))
        frame.set_cell(frame.cell.array @ strain, scale_atoms=True)
        frame.positions += rng.normal(0.0, 0.12, frame.positions.shape)
        frames.append(frame)
    return frames


def label(frames: list[Atoms]) -> list[Atoms]:
    for frame in frames:
        frame.calc = EMT()
        energy, forces = frame.get_potential_energy(), frame.get_forces()
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
    return frames


def settings(name: str, model: dict[str, Any], work: Path, seed: int) -> dict[str, Any]:
    probabilistic = model.get("ensemble", {}).get("kind") == "shallow"
    kind = "crps" if probabilistic else "mse"
    return {
        "n_epochs": 3,
        "seed": seed,
        "data": {
            "directory": str(work),
            "experiment": name,
            "train_data_path": str(work / "train.extxyz"),
            "val_data_path": str(work / "valid.extxyz"),
            "n_train": 24,
            "n_valid": 6,
            "batch_size": 4,
            "valid_batch_size": 6,
        },
        "model": model,
        "loss": [
            {"name": "energy", "loss_type": kind},
            {"name": "forces", "loss_type": kind, "weight": 4.0},
        ],
        "optimizer": {"nn_lr": 0.01, "scale_lr": 0.01, "shift_lr": 0.02},
        "data_parallel": False,
        "callbacks": [],
        "progress_bar": {"disable_epoch_pbar": True},
    }


def draw(config: dict[str, Any], frame: Atoms) -> None:
    """Write the initial weights of a model in the way in which apax writes trained ones."""
    parsed = parse_config(config)
    folder = parsed.data.model_version_path
    folder.mkdir(parents=True)
    parsed.dump_config(folder)
    box = frame.cell.array.T
    builder = parsed.model.get_builder()(parsed.model.model_dump())
    model = builder.build_energy_derivative_model(init_box=box)
    pair = np.array([[0, 1], [1, 0]])
    positions = frame.get_scaled_positions()
    sample = (positions, frame.numbers, pair, box, np.zeros((2, 3)))
    params = jax.jit(model.init)(jax.random.key(config["seed"]), *sample)
    with ocp.CheckpointManager((folder / "best").resolve()) as manager:
        manager.save(0, args=ocp.args.StandardSave({"model": {"params": params}, "epoch": 0}))
        manager.wait_until_finished()


def repack(source: Path, target: Path, rng: np.random.Generator) -> None:
    """Write the best checkpoint of `source` and its config to `target`, as said above."""
    with ocp.CheckpointManager((source / "best").resolve()) as manager:
        epoch = manager.latest_step()
        restored = manager.restore(epoch, args=ocp.args.StandardRestore())
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _shrink(jax.tree_util.keystr(path), np.array(leaf), rng),
        restored["model"]["params"],
    )
    kept = {"model": {"params": params}, "epoch": epoch}
    with ocp.CheckpointManager((target / "best").resolve()) as manager:
        manager.save(epoch, args=ocp.args.StandardSave(kept))
        manager.wait_until_finished()
    for marker in target.rglob("commit_success.txt"):
        marker.unlink()  # it holds the path of this machine
    config = yaml.safe_load((source / "config.yaml").read_text())
    config["data"] |= {"directory": "models", "experiment": target.name}
    config["data"] |= {"train_data_path": "train.extxyz", "val_data_path": "valid.extxyz"}
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _shrink(path: str, leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    absent = np.setdiff1d(np.arange(N_ELEMENTS), PRESENT)
    if "embedding" in path:
        leaf[..., absent, :, :, :] = 0.0
        if "atomic_type" in path:  # by two elements
            leaf[..., absent, :, :] = 0.0
    elif "per_element" in path:
        leaf[..., PRESENT, :] += rng.normal(0.0, 0.3, leaf[..., PRESENT, :].shape)
    elif "corrections" in path:
        leaf *= rng.uniform(0.9, 1.1, leaf.shape)
    return leaf


def predict(directory: Path, frames: list[Atoms]) -> dict[str, np.ndarray]:
    """Energies and forces of many frames at once; apax's stress is wrong there."""
    predicted = ASECalculator(directory).batch_eval(frames, batch_size=5, silent=True)
    return _tables(["energy", "forces"], [frame.calc.results for frame in predicted])


def predict_each(directory: Path | list[Path], frames: list[Atoms]) -> dict[str, np.ndarray]:
    """What apax's calculator returns frame by frame, without what is wrong or large."""
    results = []
    for frame in frames:
        calculator = ASECalculator(directory)
        calculator.calculate(frame)
        results.append(calculator.results)
    return _tables([name for name in results[0] if "_ensemble" not in name], results)


def _tables(names: list[str], results: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Results of all frames, those of atoms behind one another."""
    found = {}
    for name in names:
        arrays = [np.asarray(result[name], np.float64) for result in results]
        per_atom = name.startswith(("forces", "charges"))
        found[name] = np.concatenate(arrays) if per_atom else np.stack(arrays)
    return found


def main() -> None:
    rng = np.random.default_rng(7)
    work = Path(tempfile.mkdtemp())
    DATA.mkdir(exist_ok=True)
    write(work / "train.extxyz", label(make_frames(24, rng)))
    write(work / "valid.extxyz", label(make_frames(6, rng)))
    frames = make_frames(50, rng)
    write(DATA / "frames.extxyz", frames)
    cluster = Atoms("CuAu3", molecule("NH3").positions * 2.4)
    for seed, (name, model) in enumerate(MODELS.items()):
        if (DATA / f"{name}.npz").exists():
            continue  # remove it to make it anew
        shutil.rmtree(DATA / name, ignore_errors=True)
        rng = np.random.default_rng([7, seed])
        config = settings(name, model, work, seed)
        if name in DRAWN:
            draw(config, frames[0])
        else:
            run(config)
        repack(work / name, DATA / name, rng)
        if name in ("shallow", "full", "heads"):
            expected = predict_each(DATA / name, frames[:2])
        else:
            expected = predict(DATA / name, frames if name == "bessel" else frames[:5])
        if name == "bessel":
            alone = predict_each(DATA / name, [cluster])
            expected |= {f"cluster_{key}": value for key, value in alone.items()}
        np.savez_compressed(DATA / f"{name}.npz", **expected)
    pair = [DATA / "bessel", DATA / "member"]
    np.savez_compressed(DATA / "pair.npz", **predict_each(pair, frames[:1]))


if __name__ == "__main__":
    main()
