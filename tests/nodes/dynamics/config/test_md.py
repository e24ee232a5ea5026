"""Every key of the file of a simulation changes something."""

import json
import re
import types

import ase.build
import ase.io
import h5py
import numpy as np
import pytest

import nodes.numerics.md as engine
from nodes.dynamics import simulate as module
from nodes.dynamics.config.lower_md import lower_md
from nodes.dynamics.config.md import MdConfig
from nodes.numerics.md.frames import MDFrames
from nodes.schema.listing import keys_of
from nodes.schema.reading import check_config

BASE = {"duration": 100.0, "initial_structure": "a.xyz", "ensemble": {"name": "nvt"}}
NEEDED = {
    "piecewise": {"temperatures": [300.0], "durations": [10]},
    "oscillating_ramp": {
        "Tend": 300.0, "amplitude": 10.0, "num_oscillations": 2, "total_steps": 100,
    },
    "energy_uncertainty": {"threshold": 0.1},
    "forces_uncertainty": {"threshold": 0.1},
    "temperature": {"threshold": 900.0},
    "energy_jump": {"threshold": 0.1},
    "min_distance": {"threshold": 0.5},
    "reflection": {"cutoff_plane_height": 10.0},
    "fixatoms": {"indices": [0]},
    "fixlayer": {"lower_limit": -1.0, "upper_limit": 0.5},
    "spherical_wall": {"radius": 10.0, "spring_constant": 1.0},
}  # fmt: skip
CHAIN = {"chain_length": 4, "chain_steps": 3, "sy_steps": 5, "tau": 50.0}
RAMP = {"start": 1.0, "pressures": [2.0], "durations": [10]}
ENSEMBLES = ("nvt", "nve", "langevin", "csvr", "npt", "cell_rescaling")
CASES = {
    "seed": 2,
    **{f"ensemble({name}).dt": 1.0 for name in ENSEMBLES},
    **{
        f"ensemble({name}).temperature_schedule({kind}).{key}": value
        for name in ENSEMBLES
        for kind, values in {
            "constant": {"T0": 200.0},
            "piecewise": {"T0": 200.0, "temperatures": [200.0], "durations": [20]},
            "oscillating_ramp": {
                "T0": 200.0,
                "Tend": 200.0,
                "amplitude": 20.0,
                "num_oscillations": 3,
                "total_steps": 50,
            },
        }.items()
        for key, value in values.items()
    },
    **{f"ensemble(nvt).thermostat_chain.{key}": value for key, value in CHAIN.items()},
    **{f"ensemble(npt).thermostat_chain.{key}": value for key, value in CHAIN.items()},
    **{f"ensemble(npt).barostat_chain.{key}": value for key, value in CHAIN.items()},
    "ensemble(langevin).friction": 1.0,
    "ensemble(csvr).tau": 50.0,
    **{
        f"ensemble({name}).pressure.{key}": (value, {"ensemble.pressure": RAMP})
        for name in ("npt", "cell_rescaling")
        for key, value in {"start": 3.0, "pressures": [3.0], "durations": [20]}.items()
    },
    "ensemble(npt).cell": "full",
    "ensemble(cell_rescaling).tau": 50.0,
    "ensemble(cell_rescaling).tau_pressure": 500.0,
    "ensemble(cell_rescaling).compressibility": 1e-5,
    "ensemble(cell_rescaling).cell": "full",
    "duration": 200.0,
    "n_inner": 50,
    "sampling_rate": 5,
    "buffer_size": 3,
    "dr_threshold": 1.0,
    "extra_capacity": 5,
    "biases[](spherical_wall).radius": 5.0,
    "biases[](spherical_wall).spring_constant": 2.0,
    "dynamics_checks[](energy_uncertainty).threshold": 0.2,
    "dynamics_checks[](energy_uncertainty).per_atom": False,
    "dynamics_checks[](forces_uncertainty).threshold": 0.2,
    "dynamics_checks[](reflection).cutoff_plane_height": 20.0,
    "dynamics_checks[](temperature).threshold": 800.0,
    "dynamics_checks[](energy_jump).threshold": 0.2,
    "dynamics_checks[](bond).max_stretch": 2.0,
    "dynamics_checks[](min_distance).threshold": 0.6,
    "check_interval": 5,
    "keep_before": 2,
    "constraints[](fixatoms).indices": [1],
    "constraints[](fixcenterofmass).position": "origin",
    "constraints[](fixlayer).upper_limit": 2.0,
    "constraints[](fixlayer).lower_limit": -2.0,
    "properties": ["energy"],
    "h5md_options.compression": None,
    "h5md_options.compression_opts": 9,
    "h5md_options.store": "linear",
    "h5md_options.author": "Somebody",
    "h5md_options.author_email": "somebody@example.org",
    "initial_structure": "b.xyz",
    "load_momenta": True,
    "sim_dir": "elsewhere",
    "traj_name": "other.h5",
    "restart": False,
    "wrapped": False,
    "checkpoint_interval": 20,
    "disable_pbar": True,
}
KEYS = {key.variant: key for key in keys_of(MdConfig)}
TAGGED = re.compile(r"\)\.name$")


def frames(step, n_atoms=4):
    """Two frames of which everything is one."""
    shapes = {
        "positions": (n_atoms, 3), "velocities": (n_atoms, 3), "forces": (n_atoms, 3),
        "cells": (3, 3), "stresses": (3, 3),
    }  # fmt: skip
    names = MDFrames.__dataclass_fields__
    values = {name: np.ones((2, *shapes.get(name, ()))) for name in names}
    return MDFrames(**values | {"steps": np.array([step, step + 10])})


class FakeSimulation:
    """Four blocks of ten steps."""

    def __init__(self, model, params, starts, settings, *, directory):
        self.given = [repr(settings), repr(model)]
        self.given += [repr((s.structure.positions, s.velocities, s.masses)) for s in starts]
        self.fresh = not directory.exists()
        self.n_frames, self.step, self.finished, self.saves = [0], 0, False, 0
        self.stops = [types.SimpleNamespace(reason="completed", step=40, text="")]
        FakeSimulation.last = self

    def __iter__(self):
        for step in range(0, 40, 10):
            self.step, self.finished = step + 10, step == 30
            yield types.SimpleNamespace(step=self.step, frames=(frames(step),))

    def save(self):
        self.saves += 1


@pytest.fixture
def observe(tmp_path, monkeypatch):
    """All that a config makes happen."""
    monkeypatch.setattr(engine, "Simulation", FakeSimulation)
    monkeypatch.setattr(module, "biased", lambda model, config: config.biases)
    bars = []
    monkeypatch.setattr(module, "_progress_bar", bar_into(bars, module._progress_bar))
    for seed, name in enumerate("ab"):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.set_momenta(np.ones((4, 3)))
        ase.io.write(tmp_path / f"{name}.xyz", atoms)

    def seen(content):
        monkeypatch.chdir(tmp_path)
        config = check_config(content, MdConfig)
        config.trajectory.with_suffix(".checkpoint").mkdir(parents=True, exist_ok=True)
        summary = module.simulate(None, None, config)
        run = FakeSimulation.last
        return {
            "given": run.given,
            "fresh": run.fresh,
            "saves": run.saves,
            "bar": bars.pop(),
            "path": summary.trajectory,
            "file": content_of(config.trajectory),
        }, config.without_effect()

    return seen


def differ(observe, one, other):
    """Whether two files have different effects; a simulation is run only to find out."""
    lowered = [repr(lower_md(check_config(content, MdConfig))) for content in (one, other)]
    return lowered[0] != lowered[1] or observe(one)[0] != observe(other)[0]


def bar_into(bars, real):
    def bar(n_steps, *, hidden):
        bars.append(hidden)
        return real(n_steps, hidden=True)

    return bar


def content_of(path):
    """Attributes, shapes and filters of all that is in a file."""
    found = {}

    def visit(name, item):
        found[name] = str(sorted((k, str(v)) for k, v in item.attrs.items()))
        if isinstance(item, h5py.Dataset):
            found[name] += f"{item.shape} {item.compression} {item.compression_opts}"

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def placed(content, path, value):
    """The content with a value at a path such as ``ensemble.dt``; the first of lists."""
    head, _, rest = path.partition(".")
    copy = json.loads(json.dumps(content)) if isinstance(content, dict) else {}
    if head.endswith("[]"):
        entries = copy.get(head[:-2]) or [{}]
        return {**copy, head[:-2]: [placed(entries[0], rest, value) if rest else value]}
    return {**copy, head: placed(copy.get(head, {}), rest, value) if rest else value}


def content_for(variant):
    """A valid file that holds the alternatives that a key belongs to."""
    content, path = json.loads(json.dumps(BASE)), ""
    for part in variant.split(".")[:-1]:
        name, tag = re.fullmatch(r"(\w+(?:\[\])?)(?:\(([\w-]+)\))?", part).groups()
        path = f"{path}.{name}".lstrip(".")
        if tag:
            content = placed(content, path, {"name": tag} | NEEDED.get(tag, {}))
    return content


@pytest.mark.parametrize("variant", [v for v in KEYS if not TAGGED.search(v)])
def test_every_key_changes_something(variant, observe):
    value, besides = CASES[variant], {}
    if isinstance(value, tuple):
        value, besides = value
    before = content_for(variant)
    for path, needed in besides.items():
        before = placed(before, path, needed)
    after = placed(before, re.sub(r"\([\w-]+\)", "", variant), value)
    assert differ(observe, before, after) == KEYS[variant].effect
    notes = [check_config(content, MdConfig).without_effect() for content in (before, after)]
    assert len(notes[1]) - len(notes[0]) == (not KEYS[variant].effect)


@pytest.mark.parametrize("variant", [v for v in KEYS if TAGGED.search(v)])
def test_every_alternative_is_another_thing(variant, observe):
    group = re.sub(r"\([\w-]+\)$", "", variant.rpartition(".")[0])
    others = [
        v
        for v in KEYS
        if TAGGED.search(v)
        and v != variant
        and re.sub(r"\([\w-]+\)$", "", v.rpartition(".")[0]) == group
    ]
    contents = [content_for(other) for other in others] or [BASE]
    for content in contents:
        assert differ(observe, content_for(variant), content)


@pytest.mark.parametrize("name", ["npt", "cell_rescaling"])
def test_a_pressure_may_be_a_number_or_a_ramp(name):
    ensemble = {"name": name}
    seen = [
        lower_md(check_config(BASE | {"ensemble": ensemble | extra}, MdConfig))
        for extra in ({}, {"pressure": 5.0}, {"pressure": RAMP})
    ]
    assert seen[0] != seen[1] != seen[2]


def test_no_case_is_left_over():
    assert set(CASES) <= set(KEYS)


def test_properties_that_the_engine_does_not_have_are_noted():
    config = check_config(BASE | {"properties": ["energy", "stress_ensemble"]}, MdConfig)
    assert config.without_effect() == ["properties: stress_ensemble"]
