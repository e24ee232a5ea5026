import ase.build
import h5py
import numpy as np
import pytest
import znh5md

import zn_pipeline as zn
from nodes.dynamics.config.md import H5mdOptions
from nodes.dynamics.trajectory_file import SAVED, TrajectoryFile
from nodes.numerics.md.frames import MDFrames

SHAPES = {
    "positions": (4, 3), "velocities": (4, 3), "forces": (4, 3), "cells": (3, 3),
    "stresses": (3, 3),
}  # fmt: skip


def frames(first, count):
    """Frames every five steps of 2 fs, of random numbers that depend on the step."""
    steps = first + 5 * np.arange(count)
    rows = [np.random.default_rng(step) for step in steps]
    names = MDFrames.__dataclass_fields__
    values = {
        n: np.array([r.normal(size=SHAPES.get(n, ())) for r in rows]).reshape(
            count, *SHAPES.get(n, ())
        )
        for n in names
    }
    values["cells"] = np.tile(np.eye(3) * 4.0, (count, 1, 1))
    values["stresses"] = values["stresses"] + np.swapaxes(values["stresses"], 1, 2)
    return MDFrames(**values | {"steps": steps, "times_fs": 2.0 * steps})


def opened(path, n_frames=0, properties=tuple(SAVED), **options):
    return TrajectoryFile(
        path, ase.build.bulk("Cu", cubic=True), properties, H5mdOptions(**options),
        n_frames=n_frames, sample_every=5, timestep_fs=2.0,
    )  # fmt: skip


def same(atoms, given, row):
    assert np.allclose(atoms.positions, given.positions[row])
    assert np.allclose(atoms.get_velocities(), given.velocities[row])
    assert np.allclose(atoms.get_forces(), given.forces[row])
    assert np.allclose(atoms.get_stress(voigt=False), given.stresses[row])
    assert np.allclose(atoms.cell.array, given.cells[row])
    assert atoms.get_potential_energy() == pytest.approx(given.energies[row])
    assert atoms.pbc.all()
    assert atoms.get_chemical_symbols() == ["Cu"] * 4
    assert atoms.info["step"] == given.steps[row]
    assert atoms.info["energy_std"] == pytest.approx(given.energy_std[row])


@pytest.mark.parametrize("read", [zn.Frames.from_file, znh5md.IO])
def test_frames_come_back_from_the_file(tmp_path, read):
    given = frames(0, 4)
    with opened(tmp_path / "md.h5") as file:
        file.append(frames(0, 2))
        file.append(frames(10, 0))
        file.append(frames(10, 2))
    found = read(tmp_path / "md.h5")
    assert len(found) == 4
    for row in range(4):
        same(found[row], given, row)


def test_what_was_written_after_the_last_state_is_cut_off(tmp_path):
    path = tmp_path / "md.h5"
    with opened(path) as file:
        file.append(frames(0, 4))
    with opened(path, n_frames=3) as file:
        file.append(frames(15, 2))
    assert [atoms.info["step"] for atoms in zn.Frames.from_file(path)] == [0, 5, 10, 15, 20]
    with h5py.File(path) as file:
        assert file["particles/atoms/position/step"][:].tolist() == [0, 5, 10, 15, 20]
    with pytest.raises(ValueError, match="must hold the 9 frames of the simulation that goes on"):
        opened(path, n_frames=9)


def test_a_new_file_replaces_the_one_before(tmp_path):
    for count in (3, 1):
        with opened(tmp_path / "md.h5") as file:
            file.append(frames(0, count))
    assert len(zn.Frames.from_file(tmp_path / "md.h5")) == 1


def test_only_what_is_asked_for_and_there_is_kept(tmp_path):
    given = frames(0, 2)
    given.stresses[:] = np.nan
    with opened(tmp_path / "md.h5", properties=("energy", "stress")) as file:
        file.append(given)
    atoms = zn.Frames.from_file(tmp_path / "md.h5")[0]
    assert set(atoms.calc.results) == {"energy"}
    assert "energy_std" not in atoms.info


def test_frames_that_are_not_finite_keep_their_place(tmp_path):
    broken = frames(10, 1)
    broken.energies[:] = np.nan
    with opened(tmp_path / "md.h5") as file:
        for part in (frames(0, 2), broken, frames(15, 1)):
            file.append(part)
    found = zn.Frames.from_file(tmp_path / "md.h5")
    assert "energy" not in found[2].calc.results
    assert found[3].get_potential_energy() == pytest.approx(frames(15, 1).energies[0])


def test_options_reach_the_file(tmp_path):
    path = tmp_path / "md.h5"
    options = {"compression_opts": 7, "store": "linear", "author": "A", "author_email": "a@b"}
    with opened(path, **options) as file:
        file.append(frames(0, 3))
    with h5py.File(path) as file:
        position = file["particles/atoms/position"]
        assert (position["value"].compression, position["value"].compression_opts) == ("gzip", 7)
        assert (position["step"][()], position["time"][()]) == (5, 10.0)
        assert file["h5md/author"].attrs["name"] == "A"
        assert file["h5md/author"].attrs["email"] == "a@b"
    assert len(znh5md.IO(path)) == 3
