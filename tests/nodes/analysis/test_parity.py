import xml.etree.ElementTree as ElementTree

import ase.build
import matplotlib.image
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.analysis.parity import PlotParity


def frames(n, seed, *, names=("energy", "forces")):
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        frame = ase.build.bulk("Cu").repeat((1 + k % 3, 1, 1))
        results = {"energy": rng.normal(), "forces": rng.normal(size=(len(frame), 3))}
        frame.calc = SinglePointCalculator(frame, **{name: results[name] for name in names})
        made.append(frame)
    return made


def plotted(**fields):
    node = PlotParity(**fields)
    node.run()
    return node


def test_image_page_and_tables_are_written():
    node = plotted(reference=frames(6, 0), predicted=frames(6, 1), title="Copper <1>")
    assert matplotlib.image.imread(node.image).shape[2] == 4
    page = node.page.read_text(encoding="utf-8")
    assert page.count("<circle") == 6 + 3 * 12
    assert "structure 5: reference" in page
    assert "Copper &lt;1&gt;" in page
    assert not any(word in page for word in ("http", "<script", "src=", "@import"))
    assert len(node.energy) == 6
    assert node.forces.columns.tolist() == ["frame", "reference", "predicted"]
    assert node.forces["frame"].tolist()[-1] == 5


def test_the_page_is_well_formed():
    node = plotted(reference=frames(3, 0), predicted=frames(3, 1))
    page = node.page.read_text(encoding="utf-8").replace("<!DOCTYPE html>", "")
    page = page.replace('<meta charset="utf-8">', "")
    ElementTree.fromstring(page)


def test_many_points_are_thinned_out_but_the_worst_are_shown():
    reference, predicted = frames(40, 0), frames(40, 0)
    predicted[17].calc.results["forces"][0, 0] += 50.0
    predicted[17].calc.results["energy"] += 50.0
    node = plotted(reference=reference, predicted=predicted, max_points=11)
    assert len(node.energy) == len(node.forces) == 11
    assert 17 in node.energy["frame"].tolist()
    assert 17 in node.forces["frame"].tolist()
    assert node.forces["frame"].is_monotonic_increasing


def test_equal_values_and_missing_forces_can_be_drawn():
    node = plotted(
        reference=frames(1, 0, names=("energy",)), predicted=frames(1, 0, names=("energy",))
    )
    assert len(node.energy) == 1
    assert len(node.forces) == 0
    assert "nan" not in node.page.read_text(encoding="utf-8")


def test_the_same_input_gives_the_same_files():
    first, again = (plotted(reference=frames(3, 0), predicted=frames(3, 1)) for _ in range(2))
    assert first.image.read_bytes() == again.image.read_bytes()
    assert first.page.read_bytes() == again.page.read_bytes()


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="max_points must be at least 1, received 0"):
        plotted(reference=frames(1, 0), predicted=frames(1, 0), max_points=0)


def test_the_node_keeps_the_contract():
    zn.testing.check_node(PlotParity, reference=frames(3, 0), predicted=frames(3, 1))
