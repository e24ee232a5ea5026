"""Training on structures of any periodicity; the gradient of its loss is the slope, to 1e-6."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nodes.numerics.fit import FitConfig, Loss, Optimizer, fit
from nodes.numerics.fit.objective import Coefficients, Objective, value_and_gradient
from nodes.numerics.fit.packing import pack
from nodes.numerics.potentials import PropertyHead
from nodes.numerics.structures import Structure

from .conftest import (
    CUTOFF,
    Slopes,
    assert_right,
    model_of,
    neighbor_edges,
    params_of,
    random_structure,
)

ATOM = Structure([29], np.zeros((1, 3)), np.zeros((3, 3)), False)
HEADS = (
    PropertyHead("dipole", mode="l1", aggregation="sum", hidden=(4,)),
    PropertyHead("charge", hidden=(4,), n_members=3),
)
LOSSES = {
    "mean": (
        Loss("energy", "mse"),
        Loss("energy", "crps"),
        Loss("energy", "nll"),
        Loss("forces", "mse"),
        Loss("stress", "mse"),
        Loss("dipole", "mse"),
    ),
    "members": (
        Loss("forces", "mse"),
        Loss("forces", "crps"),
        Loss("forces", "nll"),
        Loss("forces", "nll_3x3"),
        Loss("charge", "nll"),
    ),
}
LOSSES["all"] = tuple(dict.fromkeys(LOSSES["mean"] + LOSSES.pop("members")))


def labelled():
    """Four structures with made up labels; not every one has all of them."""
    rng = np.random.default_rng(8)

    def label(s):
        n = len(s)
        return replace(
            s,
            energy=rng.normal() - 5.0 * n,
            forces=rng.normal(size=(n, 3)),
            stress=rng.normal(size=(3, 3)) / 30 if s.pbc.all() else None,
            properties={"dipole": rng.normal(size=3), "charge": rng.normal(size=n)},
        )

    kinds = [("bulk", 4), ("slab", 3), ("molecule", 4)]
    made = [label(random_structure(kind, 5, n)) for kind, n in kinds]
    return [*made, replace(label(ATOM), forces=None)]


def drawn(part, rng):
    """A random direction, each array as long as its weights."""
    return jax.tree.map(lambda w: rng.normal(size=w.shape) * max(0.1, np.sqrt(np.mean(w**2))), part)


@pytest.mark.parametrize(
    ("representation", "ensemble", "terms"),
    [
        pytest.param("gaussian basis", "shallow", "mean", marks=pytest.mark.extensive),
        pytest.param("moments", "shallow", "mean", marks=pytest.mark.extensive),
        pytest.param("few messages", "shallow", "all", marks=pytest.mark.extensive),
        pytest.param("gaussian basis", "full", "all", marks=pytest.mark.extensive),
    ],
)
def test_the_gradient_of_every_loss_is_its_slope(representation, ensemble, terms):
    """Along a random direction in each part of the weights, for each term by itself."""
    heads = HEADS[:1] if terms == "mean" else HEADS
    model = model_of(representation, "all", 4, ensemble=ensemble, heads=heads)
    params, losses = params_of(model), LOSSES[terms]
    config = FitConfig(losses=losses)
    step, rng, worst = 5e-5, np.random.default_rng(9), {}
    with model.scope():
        weights = jax.tree.map(np.asarray, params["weights"])
        constants = {k: v for k, v in params["constants"].items() if k != "reference"}
        [data] = pack(model, labelled(), params["constants"]["reference"])
        compute = jax.jit(value_and_gradient, static_argnums=0)
        objective, numbers = Objective.of(model, config), Coefficients.of(config)

        def run(weights, coefficients):
            return jax.device_get(compute(objective, coefficients, weights, constants, data))

        choices = np.eye(len(losses))
        gradients = [run(weights, numbers._replace(weight=jnp.asarray(c)))[1] for c in choices]
        for part in (name for name in weights if jax.tree.leaves(weights[name])):
            direction, ends = drawn(weights[part], rng), []
            for t in (step, -step, 2 * step, -2 * step):
                moved = jax.tree.map(lambda w, d, t=t: w + t * d, weights[part], direction)
                sums = run(weights | {part: moved}, numbers)[0].losses
                ends.append(sums[:, 0] / np.maximum(sums[:, 1], 1.0))
            slopes = np.array([8.0, -8.0, -1.0, 1.0]) @ ends / (12 * step)
            for loss, gradient, slope in zip(losses, gradients, slopes, strict=True):
                products = jax.tree.map(lambda g, d: g * d, gradient[part], direction)
                each = np.concatenate([np.ravel(x) for x in jax.tree.leaves(products)])
                name = f"{loss.name} {loss.kind} by {part}"
                size = np.linalg.norm(each)
                worst[name] = abs(slope - each.sum()) / size if size > 1e-12 else abs(slope)
    errors = np.array(list(worst.values()))
    assert_right(errors, f"loss ({max(worst, key=worst.__getitem__)})")


def morse(structure):
    """Labels of a pair potential that ends smoothly at the cutoff."""
    pairs = neighbor_edges(structure.positions, structure.cell, structure.pbc, CUTOFF)
    r = np.linalg.norm(pairs.vectors, axis=1)
    x, s = np.exp(-1.5 * (r - 2.0)), (1 - (r / CUTOFF) ** 2)
    energy = -1.0 * len(structure) + 0.5 * np.sum(0.5 * (x**2 - 2 * x) * s**3)
    slope = 0.5 * (-3.0 * x * (x - 1)) * s**3 - 0.5 * (x**2 - 2 * x) * 6 * s**2 * r / CUTOFF**2
    pull = (slope / r)[:, None] * pairs.vectors
    forces = np.zeros((len(structure), 3))
    np.add.at(forces, pairs.receivers, pull)
    stress = None
    if structure.volume is not None:
        stress = 0.5 * pull.T @ pairs.vectors / structure.volume
    return replace(structure, energy=energy, forces=forces, stress=stress)


def test_the_labels_are_slopes_of_each_other():
    structures = [random_structure(kind, 6) for kind in ("bulk", "slab", "molecule")]
    slopes = Slopes(structures, lambda moved: [morse(s).energy for s in moved])
    found = [morse(s) for s in structures]
    assert slopes.force_errors([s.forces for s in found]).max() < 1e-7
    virial = found[0].stress * structures[0].volume
    assert slopes.virial_errors([virial, np.eye(3), np.eye(3)])[0] < 1e-7


@pytest.mark.extensive
def test_a_mixed_data_set_trains_and_predicts():
    kinds = [("molecule", 3), ("slab", 4), ("wire", 2), ("bulk", 1), ("bulk", 5)]
    made = [morse(random_structure(kind, seed, n)) for kind, n in kinds for seed in (1, 2)]
    made.append(morse(ATOM))
    losses = (Loss("energy", "crps"), Loss("forces", "huber"), Loss("stress", weight=0.01))
    model = model_of("gaussian basis")
    config = FitConfig(
        n_epochs=30, batch_size=4, max_shapes=1, losses=losses, ema=0.0,
        optimizer=Optimizer(learning_rate=1e-2),
    )  # fmt: skip
    result = fit(model, made, [], config)
    history = [metrics.train_loss for metrics in result.history]
    assert np.isfinite(history).all()
    assert history[-1] < 0.8 * history[0]
    found = []

    def energies_of(moved):
        found.extend(model.predict_many(result.params, [*made, *moved], batch_size=200))
        return [p.energy for p in found[len(made) :]]

    slopes = Slopes(made[:6], energies_of)
    forces, virials = zip(*((p.forces, p.virial) for p in found[:6]), strict=True)
    assert_right(slopes.force_errors(forces), "forces")
    assert_right(slopes.virial_errors(virials), "virial")
    assert all(np.isfinite(p.energy) for p in found)
    alone = found[len(made) - 1]
    assert not alone.forces.any()
    assert alone.stress is None
    assert alone.energy == pytest.approx(-1.0, abs=1.0)
