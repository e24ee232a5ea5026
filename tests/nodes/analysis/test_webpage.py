import re

import numpy as np

from nodes.analysis.comparison import Comparison
from nodes.analysis.webpage import parity_page


def test_points_stand_where_their_values_say():
    one = Comparison(
        name="energy",
        unit="eV/atom",
        reference=np.array([0.0, 1.0, 2.0]),
        predicted=np.array([0.0, 2.0, 2.0]),
        frame=np.arange(3),
    )
    page = parity_page([one], [np.arange(3)], title="Test")
    x, y = np.array(re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', page), dtype=float).T
    assert x[1] - x[0] == x[2] - x[1] > 0
    assert y[1] == y[2] < y[0]
    # A value predicted exactly lies on the diagonal of the panel.
    assert x[0] + y[0] == x[2] + y[2] == 420.0


def test_the_table_shows_errors_of_all_values_not_only_of_the_drawn_ones():
    one = Comparison(
        name="forces",
        unit="eV/Angstrom",
        reference=np.zeros(4),
        predicted=np.array([0.0, 0.0, 0.0, 2.0]),
        frame=np.zeros(4, int),
    )
    page = parity_page([one], [np.array([0])], title="Test")
    assert "<td>0.5</td><td>1</td><td>4</td>" in page
