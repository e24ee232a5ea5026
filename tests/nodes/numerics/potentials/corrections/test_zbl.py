"""ZBL repulsion against published values and by its switch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.corrections.zbl import Zbl, zbl_pair_energy
from nodes.numerics.potentials.representation import Edges


def test_pair_energy_equals_the_universal_potential():
    # Two copper nuclei, with the screening length as published, 0.8854 Bohr / (Z^0.23 + Z^0.23).
    r = np.array([0.2, 0.5, 1.0, 2.0])
    length = 0.8854 * 0.529177 / (2 * 29**0.23)
    x = r / length
    phi = (
        0.18175 * np.exp(-3.19980 * x)
        + 0.50986 * np.exp(-0.94229 * x)
        + 0.28022 * np.exp(-0.40290 * x)
        + 0.02817 * np.exp(-0.20162 * x)
    )
    with jax.enable_x64(True):
        received = zbl_pair_energy(jnp.asarray(r), jnp.asarray(29.0), jnp.asarray(29.0))
    np.testing.assert_allclose(received, 14.399645 * 29**2 / r * phi, rtol=5e-4)


def test_bare_coulomb_repulsion_at_short_distance():
    with jax.enable_x64(True):
        energy = float(zbl_pair_energy(jnp.asarray(1e-6), jnp.asarray(1.0), jnp.asarray(1.0)))
    assert energy * 1e-6 == pytest.approx(14.3996, rel=1e-4)


def test_repulsion_ends_smoothly_at_the_sum_of_covalent_radii():
    atom, slot = jnp.zeros(1, int), jnp.zeros((1, 1), int)

    def energy(r):
        edges = Edges(jnp.array([[[1.0, 0, 0]]]) * r, atom, slot, slot)
        return jnp.sum(Zbl().energies({}, edges, (29,)))

    with jax.enable_x64(True):
        reach = 2 * 1.32
        assert float(energy(reach)) == 0.0
        assert 0 < float(energy(reach - 1e-3)) < 1e-9
        assert abs(float(jax.grad(energy)(reach - 1e-3))) < 1e-6
        half = 0.5 * zbl_pair_energy(jnp.asarray(0.1), jnp.asarray(29.0), jnp.asarray(29.0))
        assert float(energy(0.1)) == pytest.approx(float(half), rel=0.02)


def test_empty_slots_give_no_repulsion():
    vectors = jnp.array([[[6.0, 0, 0]]])
    edges = Edges(vectors, -jnp.ones(1, int), -jnp.ones((1, 1), int), jnp.zeros((1, 1), int))
    assert float(Zbl().energies({}, edges, (29,))[0]) == 0.0


def pair(r, elements=(29, 79)):
    """A directed edge from the first to the second element."""
    zero = jnp.zeros(1, int)
    return Edges(jnp.array([[[1.0, 0, 0]]]) * r, zero, zero[None] + 1, zero[None])


def apax_form(r, weights=None, r_max=1.5):
    zbl = Zbl(r_max_angstrom=r_max)
    weights = zbl.init((29, 79), float) if weights is None else weights
    return jnp.sum(zbl.energies(weights, pair(r), (29, 79)))


def test_it_starts_as_the_universal_potential_times_a_cosine():
    r = 0.7
    with jax.enable_x64(True):
        bare = zbl_pair_energy(jnp.asarray(r), jnp.asarray(29.0), jnp.asarray(79.0))
        expected = 0.5 * float(bare) * 0.5 * (1.0 + np.cos(np.pi * r / 1.5))
        assert float(apax_form(r)) == pytest.approx(expected, rel=1e-9)


def test_its_forces_are_the_slopes_of_its_energy_and_end_at_r_max():
    with jax.enable_x64(True):
        for r in (0.3, 0.9, 1.45):
            numerical = (apax_form(r + 1e-6) - apax_form(r - 1e-6)) / 2e-6
            assert float(jax.grad(apax_form)(r)) == pytest.approx(float(numerical), rel=1e-6)
        assert float(apax_form(1.5)) == float(jax.grad(apax_form)(1.5)) == 0.0
        assert 0.0 < float(apax_form(1.5 - 1e-4)) < 1e-3
        assert float(apax_form(0.01)) == float(apax_form(0.02))


def test_prefactor_and_coefficients_are_trained():
    with jax.enable_x64(True):
        weights = Zbl(r_max_angstrom=1.5).init((29, 79), float)
        assert {name: value.shape for name, value in weights.items()} == {
            "prefactor": (),
            "coefficients": (4,),
        }
        gradient = jax.grad(lambda w: apax_form(0.8, w))(weights)
        assert all(np.all(leaf > 0.0) for leaf in jax.tree.leaves(gradient))
        doubled = weights | {"prefactor": 2.0 * weights["prefactor"]}
        assert float(apax_form(0.8, doubled)) == pytest.approx(2.0 * float(apax_form(0.8)))
        turned = weights | {"prefactor": -weights["prefactor"]}
        assert float(apax_form(0.8, turned)) == float(apax_form(0.8))


def test_what_is_trained_may_be_chosen():
    assert Zbl().init((29,), float) == Zbl(r_max_angstrom=1.5, trainable=False).init((29,), float)
    weights = Zbl(trainable=True).init((29, 79), jnp.float32)
    own = Zbl(trainable=True).energies(weights, pair(1.0), (29, 79))
    assert float(own[0]) == pytest.approx(float(Zbl().energies({}, pair(1.0), (29, 79))[0]))
    with pytest.raises(ValueError, match=r"r_max_angstrom must be positive, received -1"):
        Zbl(r_max_angstrom=-1.0)


@pytest.mark.parametrize("zbl", [Zbl(), Zbl(r_max_angstrom=3.0)])
def test_empty_slots_and_padding_have_finite_derivatives(zbl):
    vectors = jnp.array([[[10.0, 0, 0], [1.0, 0, 0]], [[0.5, 0, 0], [10.0, 0, 0]]])
    species = jnp.array([[-1, 0], [0, -1]])
    edges = Edges(vectors, jnp.array([0, -1]), species, jnp.zeros((2, 2), int))
    weights = zbl.init((29,), jnp.float32)

    def total(weights, vectors):
        return jnp.sum(zbl.energies(weights, edges._replace(vectors=vectors), (29,)))

    by_weights, by_vectors = jax.jit(jax.grad(total, argnums=(0, 1)))(weights, vectors)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(by_weights))
    assert float(zbl.energies(weights, edges, (29,))[1]) == 0.0
    assert np.flatnonzero(np.asarray(by_vectors)).tolist() == [3]
