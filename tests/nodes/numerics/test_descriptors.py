import jax
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list
from scipy.spatial.transform import Rotation

from nodes.numerics.descriptors import moment_features, n_moment_features, radial_basis
from nodes.numerics.potentials.invariants import invariants
from nodes.numerics.potentials.moments import Settings, moments
from nodes.numerics.potentials.radial import Bessel
from nodes.numerics.potentials.representation import Edges

CUTOFF = 4.0


def features(atoms, elements, *, n_radial=3, max_rank=3):
    receivers, senders, vectors = neighbor_list("ijD", atoms, CUTOFF)
    species = np.searchsorted(elements, atoms.numbers)
    return moment_features(
        receivers,
        species[senders],
        vectors,
        n_atoms=len(atoms),
        n_elements=len(elements),
        cutoff=CUTOFF,
        n_radial=n_radial,
        max_rank=max_rank,
    )


def compiled_invariants(atoms, elements, n_radial):
    """The same by the code of the trained models: one channel per element and radial function."""
    receivers, senders, vectors = neighbor_list("ijD", atoms, CUTOFF)
    species = np.searchsorted(elements, atoms.numbers)
    counts = np.bincount(receivers, minlength=len(atoms))
    slots = np.arange(len(receivers)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.zeros((len(atoms), counts.max(), 3))
    padded[..., 0] = 2 * CUTOFF
    sender = np.full((len(atoms), counts.max()), -1)
    padded[receivers, slots] = vectors
    sender[receivers, slots] = species[senders]
    n_channels = len(elements) * n_radial
    coefficients = np.zeros((len(elements), len(elements), n_channels, n_radial))
    for own in range(len(elements)):
        for other in range(len(elements)):
            for n in range(n_radial):
                coefficients[own, other, other * n_radial + n, n] = 1.0
    with jax.enable_x64(True):
        edges = Edges(*map(jax.numpy.asarray, (padded, species, sender, sender)))
        settings = Settings(Bessel(n_radial), CUTOFF, 0.0)
        values = moments(settings, jax.numpy.asarray(coefficients), edges)
        return n_channels, np.asarray(invariants(values, 4))


def test_radial_functions_are_those_of_the_trained_models():
    r = np.linspace(0.3, CUTOFF - 0.01, 20)
    with jax.enable_x64(True):
        elementary = np.asarray(Bessel(5).elementary(jax.numpy.asarray(r)[None], CUTOFF))[0]
    expected = (Bessel(5).combination(CUTOFF) @ elementary).T
    np.testing.assert_allclose(radial_basis(r, 5, CUTOFF), expected, atol=1e-12)


def test_invariants_are_those_of_the_trained_models():
    atoms, elements, n_radial = molecule("CH3CH2OH"), [1, 6, 8], 2
    s, expected = compiled_invariants(atoms, elements, n_radial)
    found = features(atoms, elements, n_radial=n_radial)
    assert found.shape == (9, n_moment_features(3, n_radial, 3))
    np.testing.assert_allclose(found[:, :s], expected[:, :s], atol=1e-12)
    upper = np.triu_indices(s)
    weight = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    np.testing.assert_allclose(found[:, s:], expected[:, s:] * np.tile(weight, 3), atol=1e-12)


def test_features_do_not_change_under_rotation_reflection_and_permutation():
    atoms, elements = molecule("CH3CH2OH"), [1, 6, 8]
    order = np.random.default_rng(0).permutation(len(atoms))
    moved = atoms[order]
    moved.positions = -moved.positions @ Rotation.random(rng=1).as_matrix().T + 3.0
    np.testing.assert_allclose(
        features(moved, elements), features(atoms, elements)[order], atol=1e-12
    )


def test_angles_are_seen_from_rank_one_on():
    bent = molecule("H2O")
    straight = bent.copy()
    distance = bent.get_distance(0, 1)
    straight.positions[1:] = straight.positions[0] + [[distance, 0, 0], [-distance, 0, 0]]
    at_oxygen = [
        np.abs(features(bent, [1, 8], max_rank=k)[0] - features(straight, [1, 8], max_rank=k)[0])
        for k in range(2)
    ]
    assert at_oxygen[0].max() < 1e-12
    assert at_oxygen[1].max() > 1e-3


def test_an_atom_without_neighbours_has_zeros():
    atoms = bulk("Cu", a=20.0)
    assert not features(atoms, [29]).any()
    assert features(atoms, [29], n_radial=2, max_rank=0).shape == (1, 2)


@pytest.mark.parametrize("max_rank", [0, 1, 2, 3])
def test_the_number_of_features_is_known_beforehand(max_rank):
    found = features(molecule("H2O"), [1, 8], max_rank=max_rank)
    assert found.shape[1] == n_moment_features(2, 3, max_rank)
