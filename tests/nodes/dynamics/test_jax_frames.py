import dataclasses

import ase.build
import numpy as np

from nodes.dynamics.jax_frames import FrameFiles, atoms_of, joined, log_of
from nodes.numerics.md.frames import MDFrames


def found(*steps, n_atoms=4):
    rng = np.random.default_rng(len(steps))
    shapes = {"positions": (n_atoms, 3), "velocities": (n_atoms, 3), "forces": (n_atoms, 3)}
    shapes |= {"cells": (3, 3), "stresses": (3, 3)}
    columns = {
        field.name: rng.normal(size=(len(steps), *shapes.get(field.name, ())))
        for field in dataclasses.fields(MDFrames)
    }
    return MDFrames(**{**columns, "steps": np.array(steps)})


def test_atoms_have_all_that_was_found():
    start = ase.build.bulk("Cu", cubic=True)
    start.set_masses([1.0, 2.0, 3.0, 4.0])
    given = found(0, 5)
    for k, frame in enumerate(atoms_of(given, start)):
        assert frame.info["step"] == given.steps[k]
        np.testing.assert_allclose(frame.get_velocities(), given.velocities[k])
        np.testing.assert_array_equal(frame.get_forces(), given.forces[k])
        stress = 0.5 * (given.stresses[k] + given.stresses[k].T)
        np.testing.assert_allclose(frame.get_stress(voigt=False), stress)
        np.testing.assert_array_equal(frame.cell.array, given.cells[k])
    start.pbc = False
    assert "stress" not in atoms_of(given, start)[0].calc.results


def test_blocks_come_back_without_those_after_the_state(tmp_path):
    start = ase.build.bulk("Cu", cubic=True)
    files, other = FrameFiles(tmp_path, 0), FrameFiles(tmp_path, 1)
    files.keep(0, found(0, 1), start)
    files.keep(2, found(2), start)
    files.keep(3, found(), start)
    other.keep(0, found(7), start)
    assert [f.info["step"] for f in joined(files.frames(3), 12)] == [0, 1, 2]
    assert [f.info["step"] for f in joined(files.frames(2), 8)] == [0, 1]
    assert files.log(3)["step"].tolist() == [0, 1, 2]
    assert other.log(1).keys() == log_of(found()).keys()
