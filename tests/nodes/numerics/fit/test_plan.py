import numpy as np

from nodes.numerics.fit.packing import Dataset
from nodes.numerics.fit.plan import chunks, n_batches, plan


def seen(whole, n_shapes):
    kept = whole.share > 0
    return [np.sort(whole.rows[whole.shape == i][kept[whole.shape == i]]) for i in range(n_shapes)]


def test_every_structure_once_and_batches_filled_up():
    lengths = [10, 3, 8]
    whole = plan(lengths, 4, np.random.default_rng(0))
    assert whole.rows.shape == (n_batches(lengths, 4), 4) == (6, 4)
    for length, rows in zip(lengths, seen(whole, 3), strict=True):
        np.testing.assert_array_equal(rows, np.arange(length))


def test_composition_and_order_are_random_and_follow_from_the_seed():
    plans = [plan([40, 40], 4, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(plans[0].rows, plans[1].rows)
    assert np.any(plans[0].rows != plans[2].rows)
    assert len(set(plans[0].shape[:10])) == 2
    assert np.any(np.abs(np.diff(plans[0].rows, axis=1)) > 4)


def test_without_random_numbers_in_order():
    whole = plan([3, 2], 2)
    np.testing.assert_array_equal(whole.rows, [[0, 1], [2, 0], [0, 1]])
    np.testing.assert_array_equal(whole.share, [[1, 1], [1, 0], [1, 1]])
    assert len(plan([], 2).shape) == 0


def numbered(length):
    ids = np.arange(length)
    return Dataset(None, ids * 1.0, ids, ids, {}, {"energy": ids})


def test_chunks_bring_the_same_structures_in_the_same_order():
    datasets = [numbered(30), numbered(7)]
    whole = plan([30, 7], 4, np.random.default_rng(0))
    steps, lengths = [], set()
    for part, small, data in chunks(datasets, whole, 3):
        steps += list(range(part.start, part.stop))
        lengths.add(tuple(len(d) for d in data))
        for step, shape, rows in zip(steps[part.start :], small.shape, small.rows, strict=True):
            np.testing.assert_array_equal(data[shape].energy[rows], whole.rows[step])
    assert steps == list(range(len(whole.shape)))
    assert len(lengths) <= 2
