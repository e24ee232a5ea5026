"""Radial basis against its formula, contractions against an explicit einsum."""

import jax
import numpy as np

from nodes.numerics.potentials import descriptor


def test_bessel_basis_equals_its_formula():
    cutoff = 5.0
    r = np.linspace(0.3, 5.5, 40)
    with jax.enable_x64(True):
        received = np.asarray(descriptor.bessel_basis(jax.numpy.asarray(r)[None], 16, cutoff)[0])
    n = np.arange(16)
    sinc = np.sinc((n + 1) * r[:, None] / cutoff) + np.sinc((n + 2) * r[:, None] / cutoff)
    basis = (-1.0) ** n * np.sqrt(2) * np.pi * cutoff**-1.5 * sinc
    envelope = np.where(r < cutoff, 0.5 * (np.cos(np.pi * r / cutoff) + 1), 0)
    np.testing.assert_allclose(received.T, basis * envelope[:, None], atol=1e-12)


def test_moments_and_invariants_equal_full_tensors():
    rng = np.random.default_rng(0)
    n_radial, unit = 2, rng.normal(size=(5, 3))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    weight = rng.normal(size=(n_radial, 5))
    m0 = weight.sum(axis=1)
    m1 = np.einsum("sk,ki->si", weight, unit)
    m2 = np.einsum("sk,ki,kj->sij", weight, unit, unit)
    m3 = np.einsum("sk,ki,kj,kl->sijl", weight, unit, unit, unit)
    expected = [
        m0,
        np.einsum("ri,si->rs", m1, m1),
        np.einsum("rij,sij->rs", m2, m2),
        np.einsum("rijk,sijk->rs", m3, m3),
        np.einsum("rij,sik,tjk->rst", m2, m2, m2),
        np.einsum("ri,sj,tij->rst", m1, m1, m2),
        np.einsum("rijk,sijl,tkl->rst", m3, m3, m2),
        np.einsum("rijk,sij,tk->rst", m3, m2, m1),
    ]
    with jax.enable_x64(True):
        monomials = np.asarray(descriptor._monomials(jax.numpy.asarray(unit.T)))
        assert monomials.shape == (descriptor.N_MONOMIALS, 5)
        moments = jax.numpy.asarray(weight @ monomials.T)[None]
        for count in range(1, 9):
            received = np.asarray(descriptor.invariants(moments, count))[0]
            flat = np.concatenate([family.reshape(-1) for family in expected[:count]])
            np.testing.assert_allclose(received, flat, atol=1e-12)
