import numpy as np
import pytest

from nodes.numerics.selection import largest_cluster_maximum_distance


def by_brute_force(candidates, n_select, reference):
    centres = [np.array(row) for row in reference]
    picked = []
    for _ in range(n_select):
        if centres:
            squared = np.array([[np.sum((c - y) ** 2) for y in centres] for c in candidates])
            owner = squared.argmin(axis=1)
            sizes = [squared[owner == k, k].sum() for k in range(len(centres))]
            largest = int(np.argmax(sizes))
            score = np.where(owner == largest, squared[:, largest], -1.0)
        else:
            score = np.sum((candidates - candidates.mean(axis=0)) ** 2, axis=1)
        picked.append(int(np.argmax(score)))
        centres.append(candidates[picked[-1]])
    return picked


@pytest.mark.parametrize("n_reference", [0, 1, 6])
def test_picks_are_those_of_the_definition(n_reference):
    rng = np.random.default_rng(n_reference)
    candidates = rng.normal(size=(60, 3)) * rng.choice([0.2, 2.0], size=(60, 1))
    reference = rng.normal(size=(n_reference, 3))
    rows = largest_cluster_maximum_distance(candidates, 20, reference=reference)
    assert rows.tolist() == by_brute_force(candidates, 20, reference)


def test_a_crowd_counts_more_than_an_outlier():
    crowd = np.linspace(2.0, 3.0, 50)[:, None]
    candidates = np.concatenate([crowd, [[-8.0]]])
    rows = largest_cluster_maximum_distance(candidates, 1, reference=[[0.0], [-5.0]])
    assert rows.tolist() == [49]


def test_clusters_of_the_training_set_count():
    """Candidates next to known rows make up small clusters: the unknown region comes first."""
    known = np.array([[0.0], [1.0], [2.0]])
    candidates = np.concatenate([known + 0.01, [[6.0], [6.5]]])
    rows = largest_cluster_maximum_distance(candidates, 2, reference=known)
    assert rows[0] == 4
    assert rows[1] == 3


def test_a_duplicate_is_never_picked():
    distinct = np.random.default_rng(2).normal(size=(5, 2)) * 1e4 + 0.1
    candidates = np.repeat(distinct, 3, axis=0)
    rows = largest_cluster_maximum_distance(candidates, 3, reference=distinct[:2])
    assert sorted(rows // 3) == [2, 3, 4]
    with pytest.raises(ValueError, match=r"n_select must be at most 3, .* received 4"):
        largest_cluster_maximum_distance(candidates, 4, reference=distinct[:2])
