"""The loss of a ragged batch against plain NumPy, and its gradient against differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.fit.config import FitConfig, Loss
from nodes.numerics.fit.losses import ensemble_mean_std
from nodes.numerics.fit.objective import Coefficients, Objective, score, value_and_gradient
from nodes.numerics.fit.packing import pack, take
from nodes.numerics.potentials.model import Evaluation

from .conftest import Charge, small_model


@pytest.fixture(scope="module")
def labelled(mixed):
    """Two small and two large structures; the last has no forces and no stress."""
    rng = np.random.default_rng(3)
    chosen = [
        dataclasses.replace(
            s, properties={"total": rng.normal(), "charge": rng.normal(size=len(s))}
        )
        for s in (*mixed[:2], *mixed[-2:])
    ]
    bare = dataclasses.replace(chosen[-1], forces=None, stress=None, properties={})
    return [*chosen[:-1], bare]


@pytest.fixture(scope="module")
def big():
    return small_model(heads=(Charge("total", False), Charge("charge", True, n_members=3)))


@pytest.fixture(scope="module")
def batch(big, labelled):
    (data,) = pack(big, labelled, np.zeros(2))
    return data


@pytest.fixture(scope="module")
def evaluation():
    """Made up predictions for 4 structures of 8 atoms; those of padding atoms are wild."""
    rng = np.random.default_rng(4)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    members = draw(3, 4, 8, 3)
    properties = {"total": draw(4), "charge": draw(4, 8, 3)}
    return Evaluation(draw(4, 3), members.mean(axis=0), draw(4, 3, 3), members, properties)


def errors_of(name, evaluation, structure, b):
    """Error and spread of the values of one structure."""
    n = len(structure)
    if name == "energy":
        mean, std = ensemble_mean_std(evaluation.energies[b], axis=-1)
        return mean - structure.energy, std
    if name == "forces":
        _, std = ensemble_mean_std(evaluation.member_forces[:, b, :n], axis=0)
        return evaluation.forces[b, :n] - structure.forces, std
    if name == "stress":
        return evaluation.virial[b] - structure.stress * structure.volume, None
    if name == "total":
        return evaluation.properties["total"][b] - structure.properties["total"], None
    mean, std = ensemble_mean_std(evaluation.properties["charge"][b, :n], axis=-1)
    return mean - structure.properties["charge"], std


VALUE = {
    "mse": lambda error, std: error**2,
    "huber": lambda error, std: np.where(
        np.abs(error) < 0.5, 0.5 * error**2, 0.5 * (np.abs(error) - 0.25)
    ),
    "nll": lambda error, std: np.log(std) + 0.5 * (error / std) ** 2,
    "tril": lambda error, std: error[np.tril_indices(3)] ** 2,
}


LOSSES = (
    Loss("energy", "mse", weight=2.0, atoms_exponent=1.0),
    Loss("energy", "nll", weight=0.5, atoms_exponent=2.0),
    Loss("forces", "mse", weight=0.1, atoms_exponent=2.0),
    Loss("forces", "huber", weight=3.0, delta=0.5),
    Loss("forces", "nll", weight=0.3),
    Loss("stress", "mse", weight=0.01, atoms_exponent=0.0),
    Loss("stress", "tril", weight=0.02),
    Loss("total", "mse", weight=0.7),
    Loss("charge", "nll", weight=0.9),
)


@pytest.fixture(scope="module")
def scored(big, batch, evaluation):
    """Loss and sums; the third structure only fills up the batch."""
    config = FitConfig(losses=LOSSES)
    shared = take(batch, np.arange(4), np.array([1.0, 1.0, 0.0, 1.0]))
    compute = jax.jit(score, static_argnums=0)
    return compute(Objective.of(big, config), Coefficients.of(config), evaluation, shared)


@pytest.mark.parametrize(
    "i", range(len(LOSSES)), ids=lambda i: f"{LOSSES[i].name}-{LOSSES[i].kind}"
)
def test_a_term_is_a_sum_over_values_of_labelled_structures(scored, labelled, evaluation, i):
    loss, (total, count) = LOSSES[i], scored[1].losses[i]
    known = [0, 1, 3] if loss.name == "energy" else [0, 1]
    assert count == len(known)
    terms = [
        np.sum(VALUE[loss.kind](*errors_of(loss.name, evaluation, labelled[b], b)))
        / len(labelled[b]) ** loss.atoms_exponent
        for b in known
    ]
    assert float(total) == pytest.approx(np.sum(terms), rel=1e-4)


def test_the_loss_is_the_weighted_sum_of_mean_terms(scored):
    loss, sums = scored
    means = np.asarray(sums.losses[:, 0] / sums.losses[:, 1])
    assert float(loss) == pytest.approx(means @ [term.weight for term in LOSSES], rel=1e-5)


def test_errors_are_those_of_real_atoms_with_labels(scored, labelled, evaluation):
    sums = scored[1]
    forces = np.concatenate([errors_of("forces", evaluation, labelled[b], b)[0] for b in (0, 1)])
    expected = [np.abs(forces).sum(), np.sum(forces**2), forces.size]
    np.testing.assert_allclose(sums.errors["forces"], expected, rtol=1e-5)
    counted = [0, 1, 3]
    energies = [errors_of("energy", evaluation, labelled[b], b)[0] for b in counted]
    per_atom = np.array(energies) / [len(labelled[b]) for b in counted]
    expected = [np.abs(per_atom).sum(), np.sum(per_atom**2), 3]
    np.testing.assert_allclose(sums.errors["energy_per_atom"], expected, rtol=1e-4)
    assert sums.errors["charge"][2] == 4 + 4
    cosines = [
        np.sum(f * r) / np.linalg.norm(f) / np.linalg.norm(r)
        for b in (0, 1)
        for f, r in zip(evaluation.forces[b], labelled[b].forces, strict=False)
    ]
    np.testing.assert_allclose(sums.cosine, [np.sum(cosines), 8], rtol=1e-4)


OF_GRADIENT = {
    "mean": (Loss("energy", "crps"), Loss("forces"), Loss("stress", weight=0.1)),
    "members": (Loss("energy"), Loss("forces", "nll_3x3"), Loss("charge", "nll")),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["mean", "members"])
def test_the_gradient_is_the_slope_of_the_loss(labelled, case):
    config = FitConfig(losses=OF_GRADIENT[case])
    heads = (Charge("charge", True, n_members=3),) if case == "members" else ()
    with jax.enable_x64(True):
        model = small_model(heads=heads, n_members=5)
        params = model.init(jax.random.key(0))
        (batch,) = pack(model, labelled, np.zeros(2))
        constants = {k: v for k, v in params["constants"].items() if k != "reference"}
        compute = jax.jit(value_and_gradient, static_argnums=0)
        fixed = (Objective.of(model, config), Coefficients.of(config))

        def loss(weights):
            sums, _ = compute(*fixed, weights, constants, batch)
            terms = np.asarray(sums.losses)
            return terms[:, 0] / terms[:, 1] @ [term.weight for term in config.losses]

        weights = params["weights"]
        _, gradient = compute(*fixed, weights, constants, batch)
        rng = np.random.default_rng(0)
        direction = jax.tree.map(lambda w: jnp.asarray(rng.normal(size=w.shape)), weights)
        ends = [
            loss(jax.tree.map(lambda w, d, h=h: w + h * d, weights, direction))
            for h in (1e-5, -1e-5)
        ]
        slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), gradient, direction)))
    assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float(slope), rel=1e-5)
