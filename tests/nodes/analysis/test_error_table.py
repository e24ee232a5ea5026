import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.analysis.error_table import ErrorTable


def frames(seed, *, kinds=("md", "md", "relaxed", "md", "relaxed")):
    rng = np.random.default_rng(seed)
    made = []
    for k, kind in enumerate(kinds):
        frame = bulk("Cu").repeat((1 + k, 1, 1))
        frame.info |= {"kind": kind, "weight": float(k)}
        frame.calc = SinglePointCalculator(
            frame,
            energy=rng.normal(),
            forces=rng.normal(size=(len(frame), 3)),
            stress=rng.normal(size=6),
        )
        made.append(frame)
    return made


def table(**fields):
    node = ErrorTable(**fields)
    node.run()
    return node


def row_of(node, category, name):
    errors = node.errors
    return errors[(errors["category"] == category) & (errors["property"] == name)].iloc[0]


def test_each_category_has_its_own_errors_and_all_come_first():
    reference, predicted = frames(0), frames(1)
    node = table(
        reference=reference,
        predicted=predicted,
        properties=["energy", "forces", "stress"],
        category_keys=["kind"],
    )
    assert node.errors["category"].tolist() == ["all"] * 3 + ["md"] * 3 + ["relaxed"] * 3
    for category in ("all", "md", "relaxed"):
        pairs = [
            pair
            for pair in zip(reference, predicted, strict=True)
            if category in ("all", pair[0].info["kind"])
        ]
        errors = np.concatenate([np.ravel(b.get_forces() - a.get_forces()) for a, b in pairs])
        values = np.concatenate([np.ravel(a.get_forces()) for a, _ in pairs])
        row = row_of(node, category, "forces")
        assert row["rmse"] == pytest.approx(1e3 * np.sqrt(np.mean(errors**2)))
        assert row["mae"] == pytest.approx(1e3 * np.mean(np.abs(errors)))
        assert row["max_error"] == pytest.approx(1e3 * np.abs(errors).max())
        assert row["r2"] == pytest.approx(1 - np.mean(errors**2) / np.var(values))
        assert (row["n_values"], row["n_frames"]) == (errors.size, len(pairs))
        assert row["unit"] == "meV/Angstrom"
        assert node.metrics[category]["forces"]["mae"] == row["mae"]


def test_weights_come_from_the_info():
    reference, predicted = frames(0), frames(1)
    node = table(reference=reference, predicted=predicted, weight_key="weight")
    errors = [
        (b.get_potential_energy() - a.get_potential_energy()) / len(a)
        for a, b in zip(reference, predicted, strict=True)
    ]
    expected = 1e3 * np.sqrt(np.average(np.square(errors), weights=range(5)))
    assert row_of(node, "all", "energy")["rmse"] == pytest.approx(expected)


def test_prefixes_tell_two_results_of_one_structure_apart():
    given = frames(0)
    for frame in given:
        frame.info["ml_energy"] = frame.get_potential_energy() + 0.01 * len(frame)
        frame.calc = None
        frame.info["dft_energy"] = frame.info["ml_energy"] - 0.01 * len(frame)
    node = table(
        reference=given, properties=["energy"], reference_prefix="dft_", predicted_prefix="ml_"
    )
    assert row_of(node, "all", "energy")["mae"] == pytest.approx(10.0)


def test_several_keys_make_one_category_and_a_missing_one_is_named():
    given = frames(0)
    for k, frame in enumerate(given):
        frame.info["size"] = k // 3
    del given[0].info["kind"]
    node = table(reference=given, predicted=given, category_keys=["kind", "size"])
    found = sorted(set(node.errors["category"]))
    assert found == ["all", "md / 0", "md / 1", "none / 0", "relaxed / 0", "relaxed / 1"]


def test_the_chemical_formula_can_be_the_category():
    given = frames(0)
    given[0].info["formula"] = "the first"
    node = table(reference=given, predicted=given, category_keys=["formula"])
    assert set(node.errors["category"]) == {"all", "the first", "Cu2", "Cu3", "Cu4", "Cu5"}


def test_equal_reference_values_have_no_coefficient_of_determination():
    given = frames(0, kinds=("md",))
    node = table(reference=given, predicted=given, properties=["energy"])
    assert node.metrics["all"]["energy"]["r2"] is None
    assert np.isnan(row_of(node, "all", "energy")["r2"])


def test_the_image_is_drawn_and_the_same_in_two_runs():
    fields = {"reference": frames(0), "predicted": frames(1), "category_keys": ["kind"]}
    first, again = table(**fields, max_points=7), table(**fields, max_points=7)
    assert matplotlib.image.imread(first.image).shape[2] == 4
    assert first.image.read_bytes() == again.image.read_bytes()


def test_unusable_input_is_refused():
    given = frames(0)
    with pytest.raises(ValueError, match=r"properties must be energy, .* received \['speed'\]"):
        table(reference=given, predicted=given, properties=["energy", "speed"])
    with pytest.raises(ValueError, match=r"properties must be .* received none"):
        table(reference=given, predicted=given, properties=[])
    with pytest.raises(ValueError, match="must differ when predicted is not given"):
        table(reference=given)
    with pytest.raises(ValueError, match="same structures in the same order"):
        table(reference=given, predicted=given[::-1])
    with pytest.raises(ValueError, match="max_points must be at least 1, received 0"):
        table(reference=given, predicted=given, max_points=0)
    given[2].info["kind"] = "all"
    with pytest.raises(ValueError, match=r"must not give a category the name 'all'.*row 2"):
        table(reference=given, predicted=given, category_keys=["kind"])
    given[0].info["weight"] = -1.0
    with pytest.raises(ValueError, match=r"weights must be .* numbers, none of them negative"):
        table(reference=given, predicted=given, weight_key="weight")


def test_the_node_keeps_the_contract():
    node = zn.testing.check_node(
        ErrorTable, reference=frames(0), predicted=frames(1), category_keys=["kind"]
    )
    assert isinstance(node.errors, pd.DataFrame)
