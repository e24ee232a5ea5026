import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from nodes.numerics.relax.strain import CELL_MODES, Freedom, free_part, strain_force, stretch


def strains(count, size=0.3):
    raw = np.random.default_rng(0).normal(scale=size, size=(count, 3, 3))
    return 0.5 * (raw + np.swapaxes(raw, 1, 2))


def test_stretch_is_the_exponential_less_one():
    small = 1e-9 * strains(2)
    with jax.enable_x64(True):
        for strain in strains(4):
            expected = scipy.linalg.expm(strain) - np.eye(3)
            np.testing.assert_allclose(stretch(jnp.asarray(strain)), expected, atol=1e-13)
        np.testing.assert_allclose(stretch(jnp.asarray(small)), small, rtol=1e-8)


def test_strain_force_is_minus_the_gradient():
    rows = np.random.default_rng(1).normal(size=(5, 3))

    def energy(strain):
        return np.sum(np.linalg.norm(rows @ scipy.linalg.expm(strain), axis=1) ** 3)

    strain = strains(1)[0]
    moved = rows @ scipy.linalg.expm(strain)
    virial = 3.0 * np.einsum("k,ki,kj->ij", np.linalg.norm(moved, axis=1), moved, moved)
    with jax.enable_x64(True):
        force = np.asarray(strain_force(jnp.asarray(strain), jnp.asarray(virial)))
    for step in strains(4, 1.0):
        slope = (energy(strain + 1e-5 * step) - energy(strain - 1e-5 * step)) / 2e-5
        assert np.sum(force * step) == pytest.approx(-slope, rel=1e-7)


def part(mode, mask=((1, 1, 1),) * 3):
    whole, mean = CELL_MODES[mode]
    return np.asarray(
        free_part(Freedom(jnp.array(mask, float), whole, mean), jnp.asarray(strains(3)))
    )


def test_modes_are_projections():
    np.testing.assert_allclose(part("full"), strains(3), rtol=1e-6)
    np.testing.assert_allclose(part("none"), 0.0)
    np.testing.assert_allclose(np.trace(part("fixed_volume"), axis1=1, axis2=2), 0.0, atol=1e-6)
    np.testing.assert_allclose(part("isotropic") + part("fixed_volume"), strains(3), atol=1e-6)
    mean = np.trace(strains(3), axis1=1, axis2=2)[:, None, None] / 3.0
    np.testing.assert_allclose(part("isotropic"), mean * np.eye(3), atol=1e-6)


def test_a_mask_fixes_components():
    plane = [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    full = part("full", plane)
    np.testing.assert_allclose(full, strains(3) * np.array(plane), rtol=1e-6)
    mean = 0.5 * np.trace(full, axis1=1, axis2=2)[:, None, None]
    np.testing.assert_allclose(part("isotropic", plane), mean * np.array(plane), atol=1e-6)
    np.testing.assert_allclose(part("fixed_volume", plane), full - mean * plane, atol=1e-6)
