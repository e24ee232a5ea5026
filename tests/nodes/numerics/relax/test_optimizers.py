import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.relax import FIRE, LBFGS
from nodes.relaxation.optimizers import FIRE as AseLikeFIRE

SPRINGS = np.linspace(0.5, 20.0, 12).reshape(4, 3)


class Springs:
    """What an optimizer on the host moves."""

    def __init__(self):
        self.x = np.random.default_rng(0).normal(size=(4, 3))

    def get_positions(self):
        return self.x

    def get_forces(self):
        return -SPRINGS * self.x

    def set_positions(self, newpositions):
        self.x = newpositions


def walk(optimizer, forces, x, count):
    """Places that an optimizer comes by."""
    memory = jax.tree.map(lambda leaf: leaf[0], optimizer.start((1, *x.shape), np.float64))
    move, places = jax.jit(optimizer.move), [x]
    for _ in range(count):
        x, memory = move(x, forces(x), memory)
        places.append(np.asarray(x))
    return places


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def test_fire_takes_the_steps_of_its_paper():
    springs = Springs()
    found = walk(FIRE(max_step_angstrom=1e9), lambda x: -SPRINGS * x, springs.x, 60)
    known, state = AseLikeFIRE(max_step_angstrom=1e9), {}
    for place in found:
        np.testing.assert_allclose(place, springs.x, rtol=1e-9, atol=1e-12)
        known.move(springs, state)


@pytest.mark.parametrize("optimizer", [FIRE(), LBFGS()])
def test_no_row_moves_too_far(optimizer):
    places = walk(optimizer, lambda x: -100.0 * SPRINGS * x, Springs().x, 30)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1)
    assert steps.max() <= 0.2 + 1e-12


def test_lbfgs_ends_where_springs_are_relaxed():
    x = walk(LBFGS(max_step_angstrom=10.0), lambda x: -SPRINGS * x, Springs().x, 25)[-1]
    assert np.abs(SPRINGS * x).max() < 1e-6


def test_lbfgs_takes_back_what_leads_uphill():
    def forces(x):
        return -100.0 * x

    x = np.array([[0.1, 0.0, 0.0]])
    places = np.array(walk(LBFGS(curvature_ev_per_angstrom2=10.0), forces, x, 4))[:, 0, 0]
    assert places[1] == pytest.approx(-0.1)  # Limited to 0.2 Angstrom: as high on the other side.
    assert abs(places[2]) < 1e-9
    places = np.array(walk(LBFGS(max_step_angstrom=0.3, curvature_ev_per_angstrom2=10.0),
                           forces, x, 4))[:, 0, 0]  # fmt: skip
    assert places[1] == pytest.approx(-0.2)  # Higher than before: the next step is from the start.
    assert places[2] == pytest.approx(0.0, abs=1e-9)


def test_negative_curvature_teaches_nothing():
    def forces(x):
        return jnp.sin(x) * jnp.array([1.0, 0.0, 0.0])

    places = walk(LBFGS(), forces, np.array([[0.3, 0.0, 0.0]]), 150)
    # Down from the top of cos(x) to the valley at pi, never up.
    assert np.all(np.diff(np.cos([place[0, 0] for place in places[:40]])) < 1e-12)
    assert places[-1][0, 0] == pytest.approx(np.pi, abs=1e-6)
