"""ZBL repulsion against published values and by its switch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.potentials.config import ModelConfig
from nodes.numerics.potentials.corrections import corrections_of, zbl_pair_energy, zbl_repulsion


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
    one = jnp.ones((1, 1))

    def energy(r):
        vectors = jnp.array([[[1.0, 0, 0]]]) * r
        return jnp.sum(zbl_repulsion(vectors, one, one[None], elements=(29,)))

    with jax.enable_x64(True):
        reach = 2 * 1.32
        assert float(energy(reach)) == 0.0
        assert 0 < float(energy(reach - 1e-3)) < 1e-9
        assert abs(float(jax.grad(energy)(reach - 1e-3))) < 1e-6
        half = 0.5 * zbl_pair_energy(jnp.asarray(0.1), jnp.asarray(29.0), jnp.asarray(29.0))
        assert float(energy(0.1)) == pytest.approx(float(half), rel=0.02)


def test_empty_slots_give_no_repulsion():
    vectors = jnp.array([[[6.0, 0, 0]]])
    energy = zbl_repulsion(vectors, jnp.zeros((1, 1)), jnp.zeros((1, 1, 1)), elements=(29,))
    assert float(energy[0]) == 0.0


def test_config_asks_for_corrections():
    assert corrections_of(ModelConfig(elements=(1,))) == ()
    assert len(corrections_of(ModelConfig(elements=(1,), zbl=True))) == 1
