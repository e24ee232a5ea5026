import numpy as np
import pytest

from nodes.numerics.fit.scale_shift import (
    ElementEnergies,
    ElementScales,
    EnergyRms,
    ForceRms,
    GlobalScale,
    MeanAtomEnergy,
    Regression,
)
from nodes.numerics.structures import Structure

ELEMENTS = (1, 6, 8)


def molecule(numbers, energy=None, forces=None):
    positions = np.arange(3 * len(numbers)).reshape(-1, 3) * 1.0
    return Structure(numbers, positions, np.zeros((3, 3)), False, energy, forces)


@pytest.fixture
def molecules():
    true = {1: -13.6, 6: -1036.2, 8: -2041.8}
    numbers = [[1, 1], [1, 1, 8], [6, 8], [6, 1, 1, 1, 1], [6, 8, 8]]
    return [molecule(m, sum(true[z] for z in m)) for m in numbers]


def test_exact_references_are_recovered(molecules):
    np.testing.assert_allclose(
        Regression()(molecules, ELEMENTS), [-13.6, -1036.2, -2041.8], rtol=1e-9
    )


def test_a_ridge_draws_elements_to_the_mean(molecules):
    mean = MeanAtomEnergy()(molecules, ELEMENTS)
    total = sum(m.energy for m in molecules) / sum(len(m) for m in molecules)
    np.testing.assert_allclose(mean, total)
    free, drawn, fixed = (Regression(weight)(molecules, ELEMENTS) for weight in (0.0, 1.0, 1e9))
    np.testing.assert_allclose(fixed, mean, rtol=1e-5)
    assert np.linalg.norm(drawn - mean) < np.linalg.norm(free - mean)
    counts = np.array([[2, 0, 0], [2, 0, 1], [0, 1, 1], [4, 1, 0], [0, 1, 2]])
    deviation = [m.energy for m in molecules] - total * counts.sum(axis=1)
    expected = np.linalg.solve(counts.T @ counts + np.eye(3), counts.T @ deviation)
    np.testing.assert_allclose(drawn, total + expected)


def test_one_composition_still_gives_its_energy():
    structures = [molecule([1, 1, 8], -2069.0), molecule([8, 1, 1], -2069.0)]
    reference = Regression()(structures, ELEMENTS)
    assert np.isclose(2 * reference[0] + reference[2], -2069.0)


def test_no_labels_give_neutral_values():
    assert not Regression()([molecule([1])], (1,)).any()
    assert not MeanAtomEnergy()([molecule([1])], (1,)).any()
    np.testing.assert_array_equal(ForceRms()([molecule([1])], (1,)), [1.0])
    np.testing.assert_array_equal(EnergyRms()([molecule([1])], (1,)), [1.0])


def test_force_scale_is_the_rms_component_of_each_element():
    forces = np.array([[3.0, 0, 0], [0, 4.0, 0], [1.0, 1.0, 1.0]])
    scales = ForceRms()([molecule([1, 1, 8], forces=forces)], ELEMENTS)
    overall = np.sqrt((9 + 16 + 3) / 9)
    np.testing.assert_allclose(scales, [np.sqrt(25 / 6), overall, 1.0])


def test_energy_scale_is_the_rms_deviation_per_atom():
    pair = [molecule([1, 1], -2.0), molecule([1, 1], -6.0)]
    np.testing.assert_allclose(EnergyRms()(pair, (1, 8)), [1.0, 1.0])


def test_given_values_are_used_by_element():
    given = {8: -3.0, 1: -1.0, 6: -2.0, 79: 0.0}
    np.testing.assert_array_equal(ElementEnergies(given)([], ELEMENTS), [-1.0, -2.0, -3.0])
    np.testing.assert_array_equal(ElementScales({1: 2.0, 8: 3.0})([], (1, 8)), [2.0, 3.0])
    np.testing.assert_array_equal(GlobalScale(0.5)([], ELEMENTS), [0.5] * 3)
    assert hash(ElementEnergies(given)) == hash(ElementEnergies(dict(sorted(given.items()))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ElementEnergies({1: 0.0})([], (1, 8)), r"every element .* without \[8\]"),
        (lambda: ElementScales({1: 1.0})([], (1, 8)), r"every element .* without \[8\]"),
        (lambda: ElementScales({1: 0.0}), "factors must be positive"),
        (lambda: GlobalScale(0.0), "factor must be positive"),
        (lambda: Regression(-1.0), "regularisation must not be negative"),
    ],
)
def test_values_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
