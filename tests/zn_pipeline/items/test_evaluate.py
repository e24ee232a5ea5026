"""A calculator as a function."""

import copy

import numpy as np
import pytest
from ase.calculators.emt import EMT

import zn_pipeline as zn
from zn_pipeline.items.evaluate import attach_results


def test_a_copy_is_labelled(structures):
    labelled = zn.Evaluate((EMT, {}))(structures[0])
    assert structures[0].calc is None
    expected = structures[0].copy()
    expected.calc = EMT()
    assert labelled.get_potential_energy() == pytest.approx(expected.get_potential_energy())
    np.testing.assert_allclose(labelled.get_forces(), expected.get_forces())
    assert "stress" in labelled.calc.results


def test_only_what_is_asked_for(structures):
    labelled = zn.Evaluate(EMT(), properties=("energy",))(structures[0])
    assert set(labelled.calc.results) == {"energy"}
    with pytest.raises(ValueError, match="properties must be among energy"):
        zn.Evaluate(EMT(), properties=("charges",)).check()


def test_no_stress_without_periodicity(structures):
    structures[0].pbc = False
    assert "stress" not in zn.Evaluate(EMT())(structures[0]).calc.results


def test_results_must_be_finite(counting, structures):
    with pytest.raises(ValueError, match="energy must be finite, received NaN"):
        zn.Evaluate(counting.Harmonic(float("nan")))(structures[0])


def test_the_calculator_itself_stays_behind(counting, structures):
    evaluate = zn.Evaluate(counting.Harmonic())
    evaluate(structures[0])
    assert "made" not in vars(copy.copy(evaluate))


def test_results_unknown_to_ase_are_kept(structures):
    atoms = structures[1]
    attach_results(atoms, {"energy": 1.0, "local": np.ones(len(atoms)), "gap": np.float64(2.0)})
    assert atoms.get_potential_energy() == 1.0
    np.testing.assert_array_equal(atoms.arrays["local"], 1.0)
    assert atoms.info["gap"] == 2.0
