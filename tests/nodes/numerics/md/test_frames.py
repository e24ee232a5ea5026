import numpy as np
import pytest
from ase import Atoms, units

from nodes.numerics.md.frames import SystemFacts, frames_of, join_frames, pick_frames
from nodes.numerics.md.state import Frames
from nodes.numerics.units import GPA

CELL = np.array([[4.0, 0, 0], [1.0, 4, 0], [0, 0, 5]])


def raw_frames(rng, *, n=3):
    return Frames(
        step=np.array([0, 10]),
        positions=rng.normal(size=(2, n, 3)) * 10,
        velocities=rng.normal(size=(2, n, 3)),
        forces=rng.normal(size=(2, n, 3)),
        cell=np.stack([CELL, 1.1 * CELL]),
        virial=rng.normal(size=(2, 3, 3)),
        energy=np.array([1.0, 2.0]),
        energy_std=np.zeros(2),
        force_std_max=np.zeros(2),
        conserved=np.array([3.0, 4.0]),
    )


def facts(**changes):
    plain = SystemFacts(
        masses=np.array([1.0, 16.0]), dof=6, cell=CELL, pbc=np.ones(3, bool), reference=-100.0,
        timestep_fs=0.5, wrap=False, changes_cell=True,
    )  # fmt: skip
    return plain._replace(**changes)


def test_numbers_of_the_log_equal_those_of_ase():
    raw = raw_frames(np.random.default_rng(0))
    frames = frames_of(raw, facts())
    assert frames.positions.shape == (2, 2, 3)
    np.testing.assert_allclose(frames.times_fs, [0.0, 5.0])
    np.testing.assert_allclose(frames.energies, [-99.0, -98.0])
    np.testing.assert_allclose(frames.conserved_energies, [-97.0, -96.0])
    for k in range(2):
        atoms = Atoms(
            "HO", positions=raw.positions[k, :2], masses=[1.0, 16.0], cell=raw.cell[k], pbc=True
        )
        atoms.set_velocities(raw.velocities[k, :2])
        assert frames.volumes[k] == pytest.approx(atoms.get_volume())
        assert frames.kinetic_energies[k] == pytest.approx(atoms.get_kinetic_energy())
        assert frames.temperature_k[k] == pytest.approx(atoms.get_temperature(), rel=1e-5)
        gas = 2 * atoms.get_kinetic_energy() / (3 * atoms.get_volume())
        pressure = gas - np.trace(frames.stresses[k]) / 3
        assert frames.pressure_gpa[k] == pytest.approx(pressure / GPA)
        assert pressure / GPA == pytest.approx(pressure / units.GPa, rel=1e-5)


def test_frames_are_wrapped_as_ase_does():
    raw = raw_frames(np.random.default_rng(1))
    pbc = np.array([True, False, True])
    wrapped = frames_of(raw, facts(wrap=True, pbc=pbc)).positions
    for k in range(2):
        atoms = Atoms("HO", positions=raw.positions[k, :2], cell=raw.cell[k], pbc=pbc)
        fractional = np.linalg.solve(raw.cell[k].T, (wrapped[k] - atoms.positions).T).T
        np.testing.assert_allclose(fractional, np.round(fractional), atol=1e-6)
        assert atoms.cell.scaled_positions(wrapped[k])[:, 2].min() > -1e-6
        np.testing.assert_allclose(wrapped[k][:, 1], atoms.positions[:, 1])


def test_a_fixed_cell_is_the_one_given_and_no_volume_needs_a_vacuum():
    raw = raw_frames(np.random.default_rng(2))
    frames = frames_of(raw, facts(changes_cell=False, pbc=np.zeros(3, bool)))
    np.testing.assert_array_equal(frames.cells, [CELL, CELL])
    assert np.isnan(frames.volumes).all()
    assert np.isnan(frames.pressure_gpa).all()


def test_rows_of_a_replica_and_joined_parts():
    raw = raw_frames(np.random.default_rng(3))
    batch = Frames(*(np.stack([leaf, leaf + 1], axis=1) for leaf in raw))
    second = pick_frames(batch, np.array([False, True]), 1)
    np.testing.assert_array_equal(second.positions, raw.positions[1:] + 1)
    frames = frames_of(raw, facts())
    joined = join_frames([frames, frames_of(second, facts())])
    assert len(joined) == 3
    np.testing.assert_array_equal(joined.steps, [0, 10, 11])
