"""Biased forces and virial against finite differences, in float64."""

import dataclasses

import jax
import numpy as np
import pytest

from nodes.numerics.biases import (
    Calibration,
    GaussianAcceleration,
    SphericalWall,
    UncertaintyBias,
    biased_evaluate,
    check_biases,
    predict_biased,
)
from nodes.numerics.md.spec_numbers import put_numbers, take_numbers
from nodes.numerics.potentials import EnergyModel, build_graphs

pytestmark = pytest.mark.extensive

UNCERTAINTY = UncertaintyBias(height_ev=2.0, width_ev=0.3)
ALL = (
    Calibration(energy_factor=1.5, forces_factor=0.5),
    UNCERTAINTY,
    GaussianAcceleration(energy_target_ev=0.0, spring_constant_per_ev=1e-4),
    SphericalWall(0.8, 3.0, center_angstrom=(0.1, 0.0, 0.2)),
)


def moved(structure, atom, axis, h):
    positions = structure.positions.copy()
    positions[atom, axis] += h
    return dataclasses.replace(structure, positions=positions)


def strained(structure, i, j, h):
    strain = np.eye(3)
    strain[i, j] += h / 2
    strain[j, i] += h / 2
    return dataclasses.replace(
        structure, positions=structure.positions @ strain, cell=structure.cell @ strain
    )


@pytest.mark.parametrize(
    "biases",
    [pytest.param((UNCERTAINTY,), marks=pytest.mark.extensive), ALL],
    ids=["uncertainty", "all"],
)
def test_forces_are_minus_the_gradient_of_the_biased_energy(ensemble, molecule, biases):
    model, params = ensemble
    before, bare = (predict_biased(model, b, params, [molecule])[0] for b in (biases, ()))
    h, places = 1e-4, [(0, 0), (1, 2), (3, 1)]
    steps = [moved(molecule, *place, sign * h) for place in places for sign in (1, -1)]
    energies = [found.energy for found in predict_biased(model, biases, params, steps)]
    for place, up, down in zip(places, energies[::2], energies[1::2], strict=True):
        assert before.forces[place] == pytest.approx(-(up - down) / (2 * h), rel=1e-6, abs=1e-7)
        assert abs(before.forces[place] - bare.forces[place]) > 1e-3


def test_virial_is_the_derivative_by_strain(ensemble, crystal):
    model, params = ensemble
    biases = ALL[:3]  # the wall has no virial
    before, bare = (predict_biased(model, b, params, [crystal])[0] for b in (biases, ()))
    h, places = 1e-5, [(0, 0), (1, 2)]
    steps = [strained(crystal, *place, sign * h) for place in places for sign in (1, -1)]
    energies = [found.energy for found in predict_biased(model, biases, params, steps)]
    for place, up, down in zip(places, energies[::2], energies[1::2], strict=True):
        assert before.virial[place] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-6)
        assert abs(before.virial[place] - bare.virial[place]) > 1e-3
    np.testing.assert_allclose(before.stress, before.virial / crystal.volume)


def test_without_biases_it_is_the_model_itself(ensemble, crystal):
    model, params = ensemble
    with model.scope():
        graph = build_graphs([crystal], model.config)
        plain = jax.jit(EnergyModel.evaluate, static_argnums=0)(model, params, graph)
        biased = jax.jit(biased_evaluate, static_argnums=(0, 1))(model, (), params, graph)
    jax.tree.map(np.testing.assert_array_equal, plain, biased)
    assert set(biased.properties) == {"charges"}


def test_bias_energy_is_the_sum_of_all(ensemble, crystal, molecule):
    model, params = ensemble
    several, bare = (
        predict_biased(model, b, params, [crystal, molecule], members=True) for b in (ALL, ())
    )
    for found, plain in zip(several, bare, strict=True):
        extra = found.properties["bias_energy"]
        assert found.energy - plain.energy == pytest.approx(float(extra), abs=1e-9)
        assert "bias_energy" not in plain.properties
        np.testing.assert_allclose(found.properties["charges"], plain.properties["charges"])


def test_members_keep_their_calibrated_deviations(ensemble, crystal):
    model, params = ensemble
    [found], [bare] = (
        predict_biased(model, b, params, [crystal], members=True) for b in (ALL[:3], ())
    )
    np.testing.assert_allclose(found.member_forces.mean(axis=0), found.forces, atol=1e-10)
    assert found.energy_std == pytest.approx(1.5 * bare.energy_std, rel=1e-9)
    np.testing.assert_allclose(found.forces_std, 0.5 * bare.forces_std, rtol=1e-8)
    deviations = found.member_forces - found.forces
    np.testing.assert_allclose(deviations, 0.5 * (bare.member_forces - bare.forces), atol=1e-10)


def test_padding_changes_nothing(ensemble, crystal, molecule):
    model, params = ensemble
    together = predict_biased(model, ALL, params, [crystal, molecule], batch_size=2)
    for found, structure in zip(together, [crystal, molecule], strict=True):
        [alone] = predict_biased(model, ALL, params, [structure])
        assert found.energy == pytest.approx(alone.energy, abs=1e-9)
        np.testing.assert_allclose(found.forces, alone.forces, atol=1e-9)
        assert found.forces.shape == structure.positions.shape


def test_what_is_missing_is_named(ensemble, crystal):
    model, params = ensemble
    with pytest.raises(ValueError, match=r"UncertaintyBias must have an ensemble, received"):
        check_biases([UNCERTAINTY], n_members=1)
    with pytest.raises(ValueError, match=r"biases must be such as .*received 3"):
        check_biases([3], n_members=2)
    with model.scope(), pytest.raises(ValueError, match=r"positions must be given for Spherical"):
        biased_evaluate(model, ALL[3:], params, build_graphs([crystal], model.config))


def test_numbers_may_be_arrays_of_a_compiled_program(ensemble, molecule):
    model, params = ensemble
    skeleton, numbers = take_numbers(ALL)
    with model.scope():
        graph, place = build_graphs([molecule], model.config), molecule.positions[None]

        @jax.jit
        def energy(numbers):
            biases = put_numbers(skeleton, numbers)
            return biased_evaluate(model, biases, params, graph, positions=place).energies.mean()

        found = energy(numbers) + model.reference_energy(params, np.asarray(graph.species)[0])
    [expected] = predict_biased(model, ALL, params, [molecule])
    assert hash(skeleton)
    assert float(found) == pytest.approx(expected.energy, abs=1e-8)
