"""Optimizers are compared, step by step, with those of ASE."""

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS as AseBFGS
from ase.optimize import FIRE as AseFIRE
from ase.optimize import LBFGS as AseLBFGS
from ase.optimize.precon import PreconLBFGS as AsePreconLBFGS

from nodes.relaxation.optimizers import BFGS, FIRE, LBFGS, OPTIMIZERS, PreconLBFGS


def rattled(repeat=2, stdev=0.15):
    atoms = ase.build.bulk("Cu", cubic=True).repeat((repeat, repeat, 1))
    atoms.rattle(stdev, seed=4)
    atoms.calc = EMT()
    return atoms


def moved(optimizer, target, n_steps, state=None):
    state = {} if state is None else state
    for _ in range(n_steps):
        optimizer.move(target, state)


@pytest.mark.parametrize("cell", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (LBFGS(), AseLBFGS, {}),
        (LBFGS(max_step_angstrom=0.05, memory=3), AseLBFGS, {"maxstep": 0.05, "memory": 3}),
        (BFGS(), AseBFGS, {}),
        (FIRE(), AseFIRE, {}),
    ],
)
def test_steps_are_those_of_ase(ours, theirs, settings, cell):
    one, two = rattled(), rattled()
    moved(ours, FrechetCellFilter(one) if cell else one, 12)
    theirs(FrechetCellFilter(two) if cell else two, logfile=None, **settings).run(0.0, 12)
    np.testing.assert_allclose(one.positions, two.positions, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.cell.array, two.cell.array, rtol=0, atol=1e-8)


def test_preconditioned_steps_are_those_of_ase_below_100_atoms():
    one, two = rattled(), rattled()
    moved(PreconLBFGS(), one, 8)
    AsePreconLBFGS(two, logfile=None, precon=None, maxstep=0.04).run(0.0, 8)
    np.testing.assert_allclose(one.positions, two.positions, rtol=0, atol=1e-8)


def test_the_preconditioner_saves_steps_in_a_long_crystal():
    def steps_needed(optimizer):
        atoms = ase.build.bulk("Cu", cubic=True).repeat((1, 1, 26))
        atoms.positions[:, 2] += 0.4 * np.sin(2 * np.pi * atoms.get_scaled_positions()[:, 2])
        atoms.calc = EMT()
        state = {}
        for step in range(300):
            if np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.01:
                return step
            optimizer.move(atoms, state)
        return 300

    assert steps_needed(PreconLBFGS(max_step_angstrom=0.2)) < steps_needed(LBFGS())


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("repeat", [2, 6])
def test_the_state_is_all_that_is_remembered(name, repeat):
    """Arrays written and read back, and new objects in between, change no bit of the path."""
    whole, parts = rattled(repeat, 0.05), rattled(repeat, 0.05)
    moved(OPTIMIZERS[name], whole, 6)
    state = {}
    for _ in range(6):
        copy = {key: np.array(value) for key, value in state.items()}
        assert all(value.dtype != object for value in copy.values())
        moved(OPTIMIZERS[name], parts, 1, copy)
        state = copy
    np.testing.assert_array_equal(whole.positions, parts.positions)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_find_the_minimum(name):
    atoms, state = rattled(1), {}
    for _ in range(200):
        if np.linalg.norm(atoms.get_forces(), axis=1).max() < 1e-3:
            break
        OPTIMIZERS[name].move(atoms, state)
    perfect = ase.build.bulk("Cu", cubic=True)
    perfect.calc = EMT()
    assert atoms.get_potential_energy() == pytest.approx(perfect.get_potential_energy(), abs=1e-4)
