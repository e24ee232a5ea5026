import numpy as np
import pytest

from nodes.numerics.embeddings import principal_components, spectral_map


def test_principal_components_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 5)) * [3.0, 1.0, 0.5, 0.1, 0.01] + 7.0
    coordinates, share = principal_components(rows, 3)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    expected = (rows - rows.mean(axis=0)) @ vectors[:, ::-1][:, :3]
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), atol=1e-10)
    np.testing.assert_allclose(share, values[::-1][:3] / values.sum(), atol=1e-12)


def test_principal_components_do_not_follow_the_order_of_rows():
    rows = np.random.default_rng(1).normal(size=(30, 4))
    order = np.random.default_rng(2).permutation(30)
    first, second = principal_components(rows)[0], principal_components(rows[order])[0]
    np.testing.assert_allclose(first[order], second, atol=1e-12)


def test_coordinates_beyond_the_rank_are_zero():
    coordinates, share = principal_components([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], 3)
    np.testing.assert_allclose(coordinates[:, 1:], 0.0, atol=1e-15)
    np.testing.assert_allclose(share, [1.0, 0.0, 0.0], atol=1e-15)
    assert principal_components(np.ones((4, 2)))[0].tolist() == [[0.0, 0.0]] * 4


@pytest.mark.parametrize("n", [150, 400])
def test_the_spectral_map_unrolls_a_spiral(n):
    angle = np.linspace(2.0, 14.0, n)
    rows = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1)
    coordinate = spectral_map(rows, 1, n_neighbors=4)[:, 0]
    rank = np.argsort(np.argsort(coordinate))
    assert abs(np.corrcoef(rank, np.arange(n))[0, 1]) > 0.999
    np.testing.assert_array_equal(coordinate, spectral_map(rows, 1, n_neighbors=4)[:, 0])


@pytest.mark.parametrize("n", [40, 150])
def test_the_spectral_map_keeps_clusters_apart_that_share_no_neighbour(n):
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0, 0], [50.0, 0, 0], [0.0, 50, 0]])
    rows = np.concatenate([centre + rng.normal(size=(n, 3)) for centre in centres])
    found = spectral_map(rows, 2, n_neighbors=8).reshape(3, n, 2)
    spread = found.std(axis=1).max()
    middles = found.mean(axis=1)
    gaps = [np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 5 * spread


def test_duplicates_and_few_rows_are_mapped():
    rows = np.repeat(np.random.default_rng(4).normal(size=(10, 3)), 4, axis=0)
    assert np.isfinite(spectral_map(rows, 2, n_neighbors=3)).all()
    assert spectral_map(np.eye(4), 2).shape == (4, 2)
    with pytest.raises(ValueError, match=r"rows must be at least 4 and .* received 3 and 15"):
        spectral_map(np.eye(3), 2)
    with pytest.raises(ValueError, match="rows and n_components must be at least 1"):
        principal_components(np.zeros((0, 2)))
