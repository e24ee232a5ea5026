import numpy as np
import pytest

from nodes.numerics.selection import max_det


def by_determinants(candidates, n_select, reference, regularisation):
    """The greedy choice by the determinants of the kernel matrices themselves."""
    everything = np.concatenate([candidates, reference])
    noise = regularisation * np.mean(np.sum(everything**2, axis=1))
    taken, picked = [*reference], []
    for _ in range(n_select):
        growth = []
        for row, candidate in enumerate(candidates):
            trial = np.array([*taken, candidate])
            kernel = trial @ trial.T + noise * np.eye(len(trial))
            growth.append(-np.inf if row in picked else np.linalg.slogdet(kernel)[1])
        picked.append(int(np.argmax(growth)))
        taken.append(candidates[picked[-1]])
    return picked


@pytest.mark.parametrize("n_features", [6, 80])
@pytest.mark.parametrize("n_reference", [0, 3, 12])
def test_picks_make_the_determinant_grow_the_most(n_reference, n_features):
    rng = np.random.default_rng(n_reference)
    candidates = rng.normal(size=(40, n_features))
    reference = rng.normal(size=(n_reference, n_features))
    rows = max_det(candidates, 15, reference=reference, regularisation=1e-2)
    assert rows.tolist() == by_determinants(candidates, 15, reference, 1e-2)


def test_the_gain_is_the_posterior_variance_of_a_gaussian_process():
    rng = np.random.default_rng(5)
    candidates, reference = rng.normal(size=(30, 4)), rng.normal(size=(9, 4))
    noise = 0.1 * np.mean(np.sum(np.concatenate([candidates, reference]) ** 2, axis=1))
    kernel = reference @ reference.T + noise * np.eye(9)
    cross = candidates @ reference.T
    variance = np.sum(candidates**2, axis=1) - np.einsum(
        "nm,nm->n", cross, np.linalg.solve(kernel, cross.T).T
    )
    (row,) = max_det(candidates, 1, reference=reference, regularisation=0.1)
    assert row == np.argmax(variance)


def test_an_earlier_selection_is_gone_on_with():
    points = np.random.default_rng(6).normal(size=(100, 5))
    at_once = max_det(points, 12)
    more = max_det(points, 7, reference=points[at_once[:5]])
    assert more[:3].tolist() == at_once[5:8].tolist()


def test_a_direction_that_is_known_is_not_asked_for_again():
    candidates = np.array([[10.0, 0.0], [0.0, 1.0], [9.0, 0.1]])
    assert max_det(candidates, 1).tolist() == [0]
    assert max_det(candidates, 1, reference=[[8.0, 0.0]]).tolist() == [1]


def test_a_duplicate_is_never_picked_even_beyond_the_number_of_features():
    distinct = np.random.default_rng(2).normal(size=(9, 2))
    candidates = np.repeat(distinct, 3, axis=0)
    rows = max_det(candidates, 7, reference=distinct[:2])
    assert sorted(rows // 3) == [2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(ValueError, match=r"n_select must be at most 7, .* received 8"):
        max_det(candidates, 8, reference=distinct[:2])


def test_the_regularisation_must_be_positive():
    with pytest.raises(ValueError, match=r"regularisation must be positive, received 0\.0"):
        max_det(np.eye(2), 1, regularisation=0.0)
