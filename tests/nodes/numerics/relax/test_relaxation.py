import dataclasses

import numpy as np
import pytest
from ase import units
from ase.constraints import FixAtoms
from ase.filters import UnitCellFilter
from ase.optimize import LBFGS as AseLBFGS

from nodes.numerics.potentials import EnergyModel
from nodes.numerics.relax import Relaxation, RelaxSettings, RelaxStart, relax_many, relaxation
from nodes.numerics.structures import Structure

pytestmark = pytest.mark.slow

FIXED, SMALL, BROKEN = 1, 2, 3


@pytest.fixture(scope="module")
def frames(alloy):
    """Crystals of 3 or 4 atoms; two atoms of one of them are too close."""
    frames = [alloy(seed) for seed in range(7)]
    frames[FIXED].set_constraint(FixAtoms([0, 2]))
    del frames[SMALL][-1]
    frames[BROKEN].positions[1] = frames[BROKEN].positions[0] + 0.2
    return frames


@pytest.fixture(scope="module")
def starts(frames, start):
    mobile = np.ones((4, 3), bool)
    mobile[[0, 2]] = False
    return [start(atoms, mobile if row == FIXED else None) for row, atoms in enumerate(frames)]


@pytest.fixture(scope="module")
def relaxed(exact, starts, settings):
    return relax_many(*exact, starts, settings)


def ase_relaxed(atoms, calculator, **cell):
    """Where ASE ends."""
    atoms = atoms.copy()
    atoms.calc = calculator
    target = UnitCellFilter(atoms, **cell) if cell else atoms
    AseLBFGS(target, logfile=None).run(fmax=1e-3, steps=200)
    return atoms


def assert_equal(one, other, tolerance=0.0):
    assert (one.status, one.steps) == (other.status, other.steps)
    for name in ("positions", "cell", "energy", "forces", "stress"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=0.0, atol=tolerance
        )


def test_all_come_back_in_order_and_what_is_broken_disturbs_nobody(relaxed, frames, exact):
    statuses = [result.status for result in relaxed]
    assert statuses == ["not finite" if k == BROKEN else "converged" for k in range(7)]
    assert np.isnan(relaxed[BROKEN].energy)
    assert relaxed[BROKEN].failed
    assert not relaxed[BROKEN].converged
    np.testing.assert_array_equal(relaxed[BROKEN].positions, frames[BROKEN].positions)
    for row, (result, atoms) in enumerate(zip(relaxed, frames, strict=True)):
        assert result.forces.shape == (len(atoms), 3)
        if row != BROKEN:
            structure = Structure(atoms.numbers, result.positions, result.cell, atoms.pbc)
            model, params = exact
            found = model.predict(params, model.graph(structure))
            assert result.energy == pytest.approx(found.energy, abs=1e-9)
            np.testing.assert_allclose(result.forces, found.forces, atol=1e-9)
            np.testing.assert_allclose(result.stress, found.stress, atol=1e-9)
            assert 0.0 < result.max_force <= 1e-3


@pytest.mark.parametrize("row", [0, FIXED, SMALL])
def test_minima_are_those_of_ase(relaxed, frames, calculator, row):
    expected = ase_relaxed(frames[row], calculator)
    assert relaxed[row].energy == pytest.approx(expected.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(relaxed[row].positions, expected.positions, atol=2e-3)
    np.testing.assert_array_equal(relaxed[row].cell, expected.cell.array)
    fixed = [0, 2] if row == FIXED else []
    np.testing.assert_array_equal(relaxed[row].positions[fixed], frames[row].positions[fixed])


def test_companions_change_nothing(exact, starts, settings, relaxed):
    reverse = relax_many(*exact, starts[::-1], settings)[::-1]
    for one, other in zip(reverse, relaxed, strict=True):
        assert_equal(one, other, 1e-9)


def test_what_does_not_converge_is_flagged(exact, starts, settings):
    few = dataclasses.replace(settings, max_steps=2)
    results = relax_many(*exact, starts, few)
    assert {result.status for result in results} == {"not converged", "not finite"}
    assert [result.steps for result in results] == [0 if k == BROKEN else 2 for k in range(7)]
    assert all(np.isfinite(result.energy) for k, result in enumerate(results) if k != BROKEN)
    none = relax_many(*exact, starts, dataclasses.replace(few, max_steps=0))
    for result, start in zip(none, starts, strict=True):
        np.testing.assert_array_equal(result.positions, start.structure.positions)


def test_a_relaxation_that_was_killed_goes_on_bit_by_bit(exact, starts, settings, tmp_path):
    settings = dataclasses.replace(settings, steps_per_block=4)
    expected = relax_many(*exact, starts, settings)
    whole = Relaxation(*exact, starts, settings, directory=tmp_path)
    for count, _ in enumerate(whole):
        whole.save()
        if count == 2:
            break
    assert 0 < len(whole.results) < 7
    again = Relaxation(*exact, starts, settings, directory=tmp_path)
    assert again.results.keys() == whole.results.keys()
    assert again.n_steps == whole.n_steps
    for _ in again:
        again.save()
    finished = Relaxation(*exact, starts, settings, directory=tmp_path)
    assert finished.finished
    assert list(finished) == []
    for row, result in enumerate(expected):
        assert_equal(finished.results[row], result)
    with pytest.raises(ValueError, match="must hold a relaxation of these structures"):
        Relaxation(*exact, starts[:3], settings, directory=tmp_path)


def test_lists_that_are_too_short_grow(exact, starts, settings, relaxed, monkeypatch):
    common_spec = relaxation.common_spec
    capacities = []

    def short_at_first(structures, cutoff, settings, *, more_than=0):
        spec = common_spec([start.structure for start in starts], cutoff, settings)
        short = dataclasses.replace(spec, capacity=spec.capacity if more_than else 8)
        capacities.append(short.capacity)
        assert not more_than or len(structures) == 7
        return short

    monkeypatch.setattr(relaxation, "common_spec", short_at_first)
    for one, other in zip(relax_many(*exact, starts, settings), relaxed, strict=True):
        assert_equal(one, other, 1e-9)
    assert capacities[0] == 8 < capacities[1]
    assert len(capacities) == 2


@pytest.mark.extensive
def test_molecules_in_a_batch_that_shrinks(exact, cluster, start, calculator):
    frames = [cluster(seed) for seed in range(5)]
    settings = RelaxSettings(fmax_ev_per_angstrom=1e-3, batch_size=4, steps_per_block=10)
    running = Relaxation(*exact, [start(atoms) for atoms in frames], settings)
    widths = {len(running._batch.rows) for _ in running if running._batch is not None}
    assert widths == {4, 1}
    results = [running.results[row] for row in range(5)]
    assert all(result.converged and result.stress is None for result in results)
    expected = ase_relaxed(frames[0], calculator)
    assert results[0].energy == pytest.approx(expected.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(
        results[0].positions[:, None] - results[0].positions,
        expected.positions[:, None] - expected.positions,
        atol=5e-3,
    )


CELL = RelaxSettings(
    fmax_ev_per_angstrom=1e-3, smax_gpa=0.005, batch_size=2, relax_cell="full", pressure_gpa=5.0
)


@pytest.fixture(scope="module")
def strained(alloy):
    """Two cells that are not cubic."""
    frames = [alloy(seed, stdev=0.05) for seed in range(2)]
    for atoms, sign in zip(frames, (1.0, -1.0), strict=True):
        shear = np.eye(3) + sign * np.array([[0.02, 0.03, 0], [0.03, -0.02, 0.01], [0, 0.01, 0]])
        atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    return frames


@pytest.fixture(scope="module")
def with_cell(exact, strained, start):
    """Relax the two cells with changed settings, all in one compiled program."""

    def run(**fields):
        settings = dataclasses.replace(CELL, **fields)
        return relax_many(*exact, [start(atoms) for atoms in strained], settings)

    return run


@pytest.mark.parametrize("mode", ["full", "isotropic"])
def test_cells_under_pressure_are_those_of_ase(with_cell, strained, calculator, mode):
    results = with_cell(relax_cell=mode)
    cell = {"scalar_pressure": 5.0 * units.GPa, "hydrostatic_strain": mode == "isotropic"}
    expected = ase_relaxed(strained[0], calculator, **cell)
    volume = np.linalg.det(results[0].cell)
    enthalpy = results[0].energy + 5.0 * units.GPa * volume
    other = expected.get_potential_energy() + 5.0 * units.GPa * expected.get_volume()
    assert enthalpy == pytest.approx(other, abs=2e-5)
    assert volume == pytest.approx(expected.get_volume(), rel=2e-4)
    np.testing.assert_allclose(
        results[0].cell @ results[0].cell.T, expected.cell.array @ expected.cell.array.T, atol=2e-2
    )
    for result in results:
        excess = result.stress / units.GPa + 5.0 * np.eye(3)
        assert result.converged
        if mode == "isotropic":
            excess = np.trace(excess) / 3.0
        assert np.abs(excess).max() <= 0.005


def test_a_fixed_volume_and_masks_leave_the_rest_alone(with_cell, strained):
    shape = with_cell(relax_cell="fixed_volume", pressure_gpa=0.0)
    for result, atoms in zip(shape, strained, strict=True):
        assert result.converged
        assert np.linalg.det(result.cell) == pytest.approx(atoms.get_volume(), rel=1e-9)
        deviator = result.stress - np.trace(result.stress) / 3.0 * np.eye(3)
        assert np.abs(deviator).max() / units.GPa <= 0.005
        assert np.abs(result.cell - atoms.cell.array).max() > 0.01
    axis = with_cell(cell_mask=(0, 0, 1, 0, 0, 0), pressure_gpa=2.0)
    for result, atoms in zip(axis, strained, strict=True):
        assert result.converged
        np.testing.assert_array_equal(result.cell[:, :2], atoms.cell.array[:, :2])
        assert abs(result.cell[2, 2] - atoms.cell.array[2, 2]) > 0.01
        assert result.stress[2, 2] / units.GPa == pytest.approx(-2.0, abs=0.006)


def test_a_cell_that_flies_apart_is_stopped(with_cell):
    results = with_cell(pressure_gpa=-500.0)
    assert [result.status for result in results] == ["runaway", "runaway"]
    assert all(result.failed and np.isfinite(result.energy) for result in results)


def test_structures_that_do_not_fit_are_refused(exact, alloy, cluster, start):
    model, params = exact
    with pytest.raises(ValueError, match="at least one structure, received none"):
        Relaxation(model, params, [], RelaxSettings())
    with pytest.raises(ValueError, match=r"periodic along all axes .* in row 1"):
        Relaxation(model, params, [start(alloy(0)), start(cluster(0))], CELL)
    iron = alloy(0)
    iron.numbers[:] = 26
    with pytest.raises(ValueError, match=r"received \[26\] in row 0"):
        Relaxation(model, params, [start(iron)], RelaxSettings())
    with pytest.raises(ValueError, match=r"mobile must have shape \(4, 3\), received \(3,\)"):
        RelaxStart(start(alloy(0)).structure, np.ones(3, bool))
    assert isinstance(model, EnergyModel)
