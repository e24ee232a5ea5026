"""What a map returns."""

import numpy as np

import zn_pipeline as zn
from zn_pipeline.items.results import MapReport, MapResults, MapValues


def test_results_are_frames(structures):
    results = MapResults.of(
        zn.Frames(structures), lambda: (range(10), [{}] * 10), [], MapReport(10)
    )
    assert isinstance(results, zn.Frames)
    assert results[3].info["name"] == 3
    np.testing.assert_array_equal(results.rows, np.arange(10))


def test_values_are_a_list():
    values = MapValues([1.0, 2.0], [0, 2], [], MapReport(2, 0, 1))
    assert values == [1.0, 2.0]
    assert values.rows.tolist() == [0, 2]


def test_a_report_is_one_line():
    assert str(MapReport(2, 3, 1)) == "2 computed, 3 found in the store, 1 failed"
    assert str(MapReport(2, 3, 1, 4)).endswith(", 4 not finished")
