"""Each check alone; that they stop a run is tested with simulations."""

import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.md.checks import (
    BondLength,
    Check,
    EnergyJump,
    MaxEnergyStd,
    MaxForceStd,
    MaxTemperature,
    MinDistance,
    Moment,
    Reflection,
)
from nodes.numerics.structures import Structure

WATER = Structure([8, 1, 1], [[0.1, 0, 0], [1.06, 0, 0], [9.9, 0.94, 0]], 10 * np.eye(3), True)


def moment(**changes):
    plain = Moment(
        positions=jnp.asarray(WATER.positions),
        cell=jnp.asarray(WATER.cell),
        pbc=(True, True, True),
        present=jnp.ones(3, bool),
        n_atoms=3,
        energy=jnp.asarray(-1.0),
        energy_std=jnp.asarray(0.3),
        force_std_max=jnp.asarray(0.5),
        temperature_k=jnp.asarray(400.0),
        distance_min=jnp.asarray(0.9),
    )
    return plain._replace(**changes)


@pytest.mark.parametrize(
    ("passes", "stops", "text"),
    [
        (MaxForceStd(0.6), MaxForceStd(0.4), "force uncertainty of 0.5 eV/Angstrom exceeds 0.4"),
        (MaxEnergyStd(0.11), MaxEnergyStd(0.09), "uncertainty of 0.1 eV/atom exceeds 0.09 eV/atom"),
        (MaxEnergyStd(0.4, per_atom=False), MaxEnergyStd(0.2, per_atom=False), "of 0.3 eV exceeds"),
        (MaxTemperature(401.0), MaxTemperature(399.0), "temperature of 400 K exceeds 399 K"),
        (MinDistance(0.8), MinDistance(1.0), "distance of 0.9 Angstrom is below 1 Angstrom"),
    ],
)
def test_limits(passes, stops, text):
    for check, expected in ((passes, False), (stops, True)):
        value, stop, memory = check.look(moment(), check.start(WATER))
        assert bool(stop) is expected
        assert memory == {}
        assert isinstance(check, Check)
    assert text in stops.text(float(value))


def test_energy_may_change_slowly_but_not_jump():
    check = EnergyJump(0.1)
    memory = check.start(WATER)
    for energy, expected in ((-5.0, False), (-4.8, False), (-5.05, False), (-5.4, True)):
        value, stop, memory = check.look(moment(energy=jnp.asarray(energy)), memory)
        assert bool(stop) is expected
    assert "jump of 0.1166" in check.text(float(value))


def test_bonds_are_found_across_the_boundary_and_may_be_named():
    check = BondLength(1.3)
    memory = check.start(WATER)
    assert memory["pairs"].tolist() == [[0, 1], [0, 2], [-1, -1]]
    assert not check.look(moment(), memory)[1]
    positions = WATER.positions.copy()
    positions[2, 1] = 1.4
    stretched = moment(positions=jnp.asarray(positions))
    value, stop, _ = check.look(stretched, memory)
    length, before = np.hypot(0.2, 1.4), np.hypot(0.2, 0.94)
    assert stop
    assert float(value) == pytest.approx(length / before, rel=1e-5)
    named = BondLength(1.3, bonds=((0, 1),))
    assert not named.look(stretched, named.start(WATER))[1]
    positions[1, 0] = 0.1 + 0.5
    assert check.look(moment(positions=jnp.asarray(positions)), memory)[1]
    with pytest.raises(ValueError, match="bonds must name rows of 3 atoms"):
        BondLength(bonds=((0, 3),)).start(WATER)


def test_an_atom_is_reflected_once_it_comes_back_through_the_plane():
    check = Reflection(5.0)
    start = Structure([18, 29], [[0, 0, 8.0], [0, 0, 1.0]], np.zeros((3, 3)), False)
    memory, stops = check.start(start), []
    for height in (7.0, 5.1, 4.0, 3.0, 4.9, 5.2):
        now = moment(positions=jnp.array([[0, 0, height], [0, 0, 1.0]]), present=jnp.ones(2, bool))
        value, stop, memory = check.look(now, memory)
        stops.append(bool(stop))
    assert stops == [False] * 5 + [True]
    assert "atom at 5.2 Angstrom has passed the plane at 5" in check.text(float(value))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxForceStd(0.0), "limit_ev_per_angstrom must be positive, received 0.0"),
        (lambda: MaxTemperature(-1.0), "limit_k must be positive"),
        (lambda: BondLength(1.0), "max_stretch must exceed 1, received 1.0"),
        (lambda: Reflection(1.0, axis=3), "axis must be 0, 1 or 2, received 3"),
    ],
)
def test_values_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
