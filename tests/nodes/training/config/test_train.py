"""Every key of the training file changes something."""

import json
import re
import types

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from nodes.numerics.fit.metrics import EpochMetrics
from nodes.schema.listing import keys_of
from nodes.schema.reading import check_config
from nodes.training import runs
from nodes.training.callbacks import opening
from nodes.training.callbacks.rows import default_metrics, row_of
from nodes.training.config.lower_fit import lower_fit
from nodes.training.config.lower_model import lower_model
from nodes.training.config.train import TrainConfig
from nodes.training.data import load_split, load_test
from nodes.training.evaluation import wants_force_std

DETAILS = {
    f"{part}_{name}_{kind}": 1.0
    for part in ("train", "valid")
    for name in ("energy", "energy_per_atom", "forces", "stress", "charge")
    for kind in ("mae", "mse", "rmse", "cosine")
}

BASE = {
    "n_epochs": 5,
    "data": {
        "directory": "m", "experiment": "e", "data_path": "a.xyz", "n_train": 4, "n_valid": 2,
    },
    "model": {"name": "gmnn"},
    "loss": [{"name": "energy"}],
    "callbacks": [{"name": "csv"}],
    "weight_average": {},
    "transfer_learning": {},
}  # fmt: skip

# What a section of a union needs besides its tag.
NEEDED = {
    "full": {"n_members": 3},
    "shallow": {"n_members": 3},
    "mlflow": {"experiment": "x"},
}
# Values of keys, and what must be set besides, by the key with its alternative; keys of
# `model(equiv-mp)` that are not here are those of `model(gmnn)`.
HEAD = {"model.property_heads": [{"name": "charge"}]}
CASES = {
    "n_epochs": 6,
    "patience": 3,
    "patience_min_delta": 0.1,
    "seed": 2,
    "data_parallel": False,
    "ckpt_interval": 7,
    "normalise_features": False,
    "data.directory": "other",
    "data.experiment": "other",
    "data.dataset(packed).max_shapes": 2,
    "data.dataset(packed).resident_gib": 1.5,
    "data.dataset(cached).shuffle_buffer_size": 5,
    "data.dataset(otf).shuffle_buffer_size": 5,
    "data.dataset(pbp).num_workers": 5,
    "data.dataset(pbp).atom_padding": 5,
    "data.dataset(pbp).nl_padding": 5,
    "data.data_path": "b.xyz",
    "data.train_data_path": ("b.xyz", {"data.train_data_path": "a.xyz"}),
    "data.val_data_path": ("b.xyz", {"data.train_data_path": "a.xyz"}),
    "data.test_data_path": "b.xyz",
    "data.n_train": 3,
    "data.n_valid": 1,
    "data.batch_size": 8,
    "data.valid_batch_size": 8,
    "data.shift_method": "mean_atom_energy_shift",
    "data.shift_options.energy_regularisation": 0.5,
    "data.shift_options.E0s": (
        {"Cu": -2.0, 79: -3.0},
        {
            "data.shift_method": "isolated_atom_energy_shift",
            "data.shift_options.E0s": {29: -1.0, 79: -3.0},
        },
    ),
    "data.scale_method": "mean_energy_rms_scale",
    "data.scale_options.factor": (
        2.0,
        {"data.scale_method": "global_custom_scale", "data.scale_options.factor": 1.0},
    ),
    "data.scale_options.factors": (
        {"Cu": 2.0},
        {"data.scale_method": "per_element_custom_scale", "data.scale_options.factors": {29: 1.0}},
    ),
    "data.pos_unit": "Bohr",
    "data.energy_unit": "kcal/mol",
    "data.label_keys": {"energy": "other_energy"},
    "model(gmnn).elements": ["H"],
    "model(gmnn).basis(bessel).n_basis": 7,
    "model(gmnn).basis(bessel).r_max": 4.0,
    "model(gmnn).basis(gaussian).n_basis": 8,
    "model(gmnn).basis(gaussian).r_min": 0.7,
    "model(gmnn).basis(gaussian).r_max": 4.0,
    "model(gmnn).basis(gaussian).spacing": "exponential",
    "model(gmnn).nn": [16],
    "model(gmnn).w_init": "normal",
    "model(gmnn).b_init": "normal",
    "model(gmnn).activation_fn": "tanh",
    "model(gmnn).use_ntk": True,
    "model(gmnn).ensemble(full).n_members": 4,
    "model(gmnn).ensemble(shallow).n_members": 4,
    "model(gmnn).ensemble(shallow).force_variance": False,
    "model(gmnn).ensemble(shallow).chunk_size": 2,
    "model(gmnn).property_heads[].name": ("dipole", HEAD),
    "model(gmnn).property_heads[].aggregation": ("sum", HEAD),
    "model(gmnn).property_heads[].mode": ("l1", HEAD),
    "model(gmnn).property_heads[].nn": ([16], HEAD),
    "model(gmnn).property_heads[].n_shallow_members": (4, HEAD),
    "model(gmnn).property_heads[].w_init": ("normal", HEAD),
    "model(gmnn).property_heads[].b_init": ("normal", HEAD),
    "model(gmnn).property_heads[].use_ntk": (True, HEAD),
    "model(gmnn).property_heads[].dtype": ("fp64", HEAD),
    "model(gmnn).empirical_corrections[](zbl).r_max": 2.0,
    "model(gmnn).empirical_corrections[](exponential).r_max": 2.0,
    "model(gmnn).calc_stress": True,
    "model(gmnn).descriptor_dtype": "fp64",
    "model(gmnn).readout_dtype": "fp64",
    "model(gmnn).scale_shift_dtype": "fp64",
    "model(gmnn).n_radial": 3,
    "model(gmnn).n_contr": 3,
    "model(gmnn).emb_init": None,
    "model(equiv-mp).features": 8,
    "model(equiv-mp).max_degree": 1,
    "model(equiv-mp).num_iterations": 2,
    "metrics[].name": ("forces", {"metrics": [{"name": "energy", "reductions": ["mae"]}]}),
    "metrics[].reductions": (["rmse"], {"metrics": [{"name": "energy", "reductions": ["mae"]}]}),
    "loss[].name": "forces",
    "loss[].loss_type": "huber",
    "loss[].weight": 2.0,
    "loss[].atoms_exponent": 0.5,
    "loss[].parameters.delta": (0.3, {"loss": [{"name": "energy", "loss_type": "huber"}]}),
    "optimizer.name": "sgd",
    "optimizer.emb_lr": 0.5,
    "optimizer.nn_lr": 0.5,
    "optimizer.scale_lr": 0.5,
    "optimizer.shift_lr": 0.5,
    "optimizer.zbl_lr": 0.5,
    "optimizer.rep_scale_lr": 0.5,
    "optimizer.rep_prefactor_lr": 0.5,
    "optimizer.gradient_clipping": 0.0,
    "optimizer.max_norm": 3.0,
    "optimizer.schedule(linear).transition_begin": 3,
    "optimizer.schedule(linear).end_value": 1e-3,
    "optimizer.schedule(cyclic_cosine).period": 3,
    "optimizer.schedule(cyclic_cosine).decay_factor": 0.5,
    "optimizer.schedule(warmup_cosine).warm_up": 0.1,
    "optimizer.schedule(warmup_cosine).end_factor": 0.1,
    "optimizer.schedule(plateau).patience": 3,
    "optimizer.schedule(plateau).decay_factor": 0.9,
    "optimizer.schedule(plateau).min_delta": 0.1,
    "optimizer.schedule(plateau).min_factor": 0.1,
    "optimizer.kwargs": {"b1": 0.5},
    "optimizer.rates": {"layers.0": 0.5},
    "optimizer.freeze": ["scale"],
    "weight_average.ema_start": 3,
    "weight_average.alpha": 0.5,
    "callbacks[](mlflow).experiment": "y",
    "callbacks[](dvc).directory": "live",
    "progress_bar.disable_epoch_pbar": True,
    "progress_bar.disable_batch_pbar": False,
    "transfer_learning.base_model_checkpoint": "elsewhere",
    "transfer_learning.reset_layers": ["dense_2"],
    "transfer_learning.freeze_layers": ["dense_0"],
    "transfer_learning.refit_shift": True,
    "transfer_learning.refit_scale": True,
}
KEYS = {key.variant: key for key in keys_of(TrainConfig)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        frames = []
        for _ in range(8):
            atoms = ase.build.bulk("Cu", cubic=True)
            atoms.rattle(0.1, rng=rng)
            atoms.info["other_energy"] = rng.normal()
            atoms.set_array("charge", rng.normal(size=4))
            atoms.set_array("dipole", rng.normal(size=4))
            atoms.calc = SinglePointCalculator(
                atoms, energy=rng.normal(), forces=rng.normal(size=(4, 3))
            )
            frames.append(atoms)
        ase.io.write(folder / f"{name}.xyz", frames)
    return folder


@pytest.fixture
def observe(files, tmp_path, monkeypatch):
    """All that a config makes happen, as text."""
    monkeypatch.setattr(runs, "load_trained", lambda path: f"model of {path}")
    fake = types.SimpleNamespace(__name__="optional")
    monkeypatch.setattr("nodes.training.callbacks.tensorboard.require", lambda *_, **__: fake)
    monkeypatch.setattr("nodes.training.callbacks.mlflow_run.require", lambda *_, **__: fake)
    metrics = EpochMetrics(1, 1.0, 1.0, details=DETAILS)
    count = iter(range(1000))

    def digest(structures):
        labels = [(s.energy, s.forces, s.positions, s.cell, s.properties) for s in structures]
        return repr([jsonable(label) for label in labels])

    def seen(content):
        config = check_config(content, TrainConfig)
        data = config.data
        paths = ("data_path", "train_data_path", "val_data_path", "test_data_path")
        moved = {n: str(files / getattr(data, n)) for n in paths if getattr(data, n)}
        data = data.model_copy(update=moved)
        heads, record = config.model.property_heads, tmp_path / f"{next(count)}.json"
        split = load_split(data, heads, seed=config.seed, record=record)
        wanted = config.metrics or default_metrics(config.loss)
        has_test = data.data_path or data.test_data_path
        return {
            "directory": str(config.directory),
            "fit": repr(lower_fit(config, len(split.train))),
            "train": digest(split.train),
            "valid": digest(split.valid),
            "test": digest(load_test(data, heads, record=record)) if has_test else "",
            "row": repr(row_of(metrics, wanted, 1.0)),
            "logs": [(type(w).__name__, logged(w)) for w in opening.callbacks_of(config)],
            "initial": runs._initial(config),
            "force_std": wants_force_std(config),
        }

    return seen


def differ(observe, one, other):
    """Whether two files have different effects; structures are read only to find out."""
    configs = [check_config(content, TrainConfig) for content in (one, other)]
    lowered = [repr((lower_model(c.model, {29}), lower_fit(c, 4))) for c in configs]
    return lowered[0] != lowered[1] or observe(one) != observe(other)


def jsonable(value):
    return json.loads(json.dumps(value, default=lambda array: np.asarray(array).tolist()))


def logged(writer):
    found = {name: str(getattr(writer, name, "")) for name in ("path", "directory", "experiment")}
    return str(found)


def placed(content, path, value):
    """The content with a value at a path such as ``model.basis.n_basis``; the first of lists."""
    head, _, rest = path.partition(".")
    copy = json.loads(json.dumps(content)) if isinstance(content, dict | list) else {}
    if head.endswith("[]"):
        entries = copy.get(head[:-2]) or [{}]
        first = placed(entries[0], rest, value) if rest else value
        return {**copy, head[:-2]: [first, *entries[1:]]}
    return {**copy, head: placed(copy.get(head, {}), rest, value) if rest else value}


def content_for(variant):
    """A valid file that holds the alternatives that a key belongs to."""
    content = json.loads(json.dumps(BASE))
    path = ""
    for part in variant.split(".")[:-1]:
        name, tag = re.fullmatch(r"(\w+(?:\[\])?)(?:\(([\w-]+)\))?", part).groups()
        path = f"{path}.{name}".lstrip(".")
        if tag:
            kind = {"dataset": "processing", "ensemble": "kind"}.get(name, "name")
            content = placed(content, path, {kind: tag} | NEEDED.get(tag, {}))
    return content


def case_of(variant):
    common = variant.replace("model(equiv-mp)", "model(gmnn)")
    found = CASES[variant] if variant in CASES else CASES[common]
    return found if isinstance(found, tuple) else (found, {})


TAGGED = re.compile(r"\)(?:\.)(name|kind|processing)$")


@pytest.mark.parametrize("variant", [v for v in KEYS if not TAGGED.search(v)])
def test_every_key_changes_something(variant, observe):
    value, besides = case_of(variant)
    before = content_for(variant)
    for path, needed in besides.items():
        before = placed(before, path, needed)
    path = re.sub(r"\([\w-]+\)", "", variant)
    after = placed(before, path, value)
    if variant == "data.train_data_path":
        after["data"].pop("data_path")
    if "data.train_data_path" in besides:
        before["data"].pop("data_path")
        after["data"].pop("data_path", None)
    assert differ(observe, before, after) == KEYS[variant].effect
    notes = [check_config(content, TrainConfig).without_effect() for content in (before, after)]
    assert len(notes[1]) - len(notes[0]) == (not KEYS[variant].effect)


@pytest.mark.parametrize("variant", [v for v in KEYS if TAGGED.search(v)])
def test_every_alternative_is_another_thing(variant, observe):
    section = variant.rpartition(".")[0]
    others = [
        v
        for v in KEYS
        if TAGGED.search(v)
        and v != variant
        and re.sub(r"\([\w-]+\)$", "", v.rpartition(".")[0]) == re.sub(r"\([\w-]+\)$", "", section)
    ]
    assert others
    for other in others:
        assert differ(observe, content_for(variant), content_for(other))


def test_no_case_is_left_over():
    known = {v.replace("model(equiv-mp)", "model(gmnn)") for v in KEYS} | set(KEYS)
    assert set(CASES) <= known


def test_an_unknown_method_of_averaging_is_named():
    with pytest.raises(ValueError, match=r"weight_average.alfa is not a key, did you mean alpha\?"):
        check_config(BASE | {"weight_average": {"alfa": 0.1}}, TrainConfig)
