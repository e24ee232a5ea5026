"""What must not matter: images, lattice vectors, order, orientation, and pairs at the cutoff."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from nodes.numerics.elements import covalent_radii_angstrom
from nodes.numerics.potentials import Precision
from nodes.numerics.structures import Structure

from .conftest import CUTOFF, cells, model_of, params_of, predict_all, random_structure

PRECISIONS = {"float64": (Precision.double(), 1e-9), "float32": (Precision(), 1e-5)}
MODELS = [("moments", "all", "shallow"), ("few messages", "all", "shallow")]
DEEP = ("messages twice", "all", "full")
"""These three are compiled for tests of slopes anyway."""
LARGE = {"n_atoms": 54, "width": 8, "slots": 40}
"""Room for supercells."""


def wrapped(structure, rng):
    """Atoms in other images."""
    shifts = rng.integers(-3, 4, (len(structure), 3)) * structure.pbc
    return replace(structure, positions=structure.positions + shifts @ structure.cell)


def other_basis(structure, rng):
    """Other vectors of the same lattice, in another order."""
    change = np.eye(3, dtype=int)
    axes = np.flatnonzero(structure.pbc)
    for _ in range(2 * (len(axes) > 1)):
        i, j = rng.choice(axes, 2, replace=False)
        change[i] += rng.choice([-1, 1]) * change[j]
    order = rng.permutation(3)
    cell = (change @ structure.cell)[order]
    return replace(structure, cell=cell, pbc=structure.pbc[order])


def turned(structure, rng, sign):
    """Rotated, or rotated and reflected, and moved elsewhere; with the matrix."""
    turn = ortho_group.rvs(3, random_state=rng)
    turn *= sign * np.sign(np.linalg.det(turn))
    moved = structure.positions @ turn + rng.normal(size=3)
    return replace(structure, positions=moved, cell=structure.cell @ turn), turn


def variants(structure, rng):
    """Equivalent structures, the order of their atoms, and how they are turned."""
    plain, order = np.arange(len(structure)), rng.permutation(len(structure))
    permuted = replace(
        structure, numbers=structure.numbers[order], positions=structure.positions[order]
    )
    return {
        "wrapping": (wrapped(structure, rng), plain, np.eye(3)),
        "lattice": (other_basis(structure, rng), plain, np.eye(3)),
        "permutation": (permuted, order, np.eye(3)),
        "rotation": (*with_order(turned(structure, rng, 1), plain),),
        "reflection": (*with_order(turned(structure, rng, -1), plain),),
    }


def with_order(found, order):
    structure, turn = found
    return structure, order, turn


def deviation(found, expected, order, turn):
    """Largest deviation of energy, forces and virial, by the size of each, at least 1."""
    pairs = [
        (found.energy, expected.energy),
        (found.forces, expected.forces[order] @ turn),
        (found.virial, turn.T @ expected.virial @ turn),
    ]
    return max(np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in pairs)


@pytest.mark.parametrize(
    ("model", "precision", "count"),
    [
        *((model, "float64", 5) for model in MODELS),
        *(pytest.param(m, "float64", 20, marks=pytest.mark.extensive) for m in (*MODELS, DEEP)),
        *(pytest.param(m, "float32", 20, marks=pytest.mark.extensive) for m in MODELS),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_equivalent_structures_are_equal(model, precision, count):
    representation, corrections, ensemble = model
    kind, tolerance = PRECISIONS[precision]
    model = model_of(representation, corrections, ensemble=ensemble, precision=kind)
    params, rng = params_of(model), np.random.default_rng(11)
    made = [variants(s, rng) for s in cells(count)]
    names = list(made[0])
    everything = [row[name][0] for row in made for name in names]
    room = LARGE if precision == "float32" else {}
    plain = predict_all(model, params, cells(count), **room)
    found = np.reshape(predict_all(model, params, everything, **room), (count, -1))
    for column, name in enumerate(names):
        largest = max(
            deviation(found[row, column], plain[row], *made[row][name][1:]) for row in range(count)
        )
        print(f"{name}: {largest:.1e}")
        assert largest < tolerance, name


@pytest.mark.extensive
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m[0])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_cell_is_its_supercell(model, precision):
    representation, corrections, ensemble = model
    kind, tolerance = PRECISIONS[precision]
    model = model_of(representation, corrections, ensemble=ensemble, precision=kind)
    small = [random_structure("bulk", seed, 2) for seed in range(20)]
    shifts = np.array(list(np.ndindex(3, 3, 3)))
    large = [
        Structure(
            np.tile(s.numbers, 27),
            (s.positions + (shifts @ s.cell)[:, None]).reshape(-1, 3),
            3 * s.cell,
            True,
        )
        for s in small
    ]
    found = predict_all(model, params_of(model), [*small, *large], **LARGE)
    largest = 0.0
    for one, many in zip(found[:20], found[20:], strict=True):
        energy = abs(many.energy / 27 - one.energy) / max(1.0, abs(one.energy))
        forces = np.abs(many.forces - np.tile(one.forces, (27, 1))).max()
        virial = np.abs(many.virial / 27 - one.virial).max() / max(1, np.abs(one.virial).max())
        largest = max(largest, energy, forces / max(1.0, np.abs(one.forces).max()), virial)
    print(f"largest deviation: {largest:.1e}")
    assert largest < tolerance


def critical_distances(corrections):
    """Numbers of a pair, and where something ends."""
    found = [((6, 29), CUTOFF), ((29, 29), CUTOFF)]
    if corrections == "all":
        found += [((6, 29), 2.2), ((29, 29), 2.2), ((6, 6), 2.0), ((6, 29), 2.0)]
    if corrections == "zbl":
        sums = [((a, b), covalent_radii_angstrom(np.array([a, b])).sum()) for a, b in PAIRS]
        found += sums
    return found


PAIRS = ((6, 6), (6, 29), (29, 29))


@pytest.mark.parametrize(
    "model", [*MODELS, pytest.param(DEEP, marks=pytest.mark.extensive),
              pytest.param(("messages", "zbl", "shallow"), marks=pytest.mark.extensive),
              pytest.param(("gaussian basis", "exponential", "full"), marks=pytest.mark.extensive)],
    ids=lambda m: f"{m[0]}-{m[1]}",
)  # fmt: skip
def test_energy_and_forces_are_continuous_where_something_ends(model):
    """Beside a third atom; what changes across the distance falls with the width."""
    representation, corrections, ensemble = model
    model, widths = model_of(representation, corrections, ensemble=ensemble), (1e-3, 1e-5, 1e-7)
    structures = [
        Structure(
            [*pair, 6], [[0.0, 0, 0], [distance + side * width, 0, 0], [0.6, 1.6, 0.5]],
            np.zeros((3, 3)), False,
        )
        for pair, distance in critical_distances(corrections)
        for width in widths
        for side in (-1, 1)
    ]  # fmt: skip
    found = np.reshape(predict_all(model, params_of(model), structures), (-1, len(widths), 2))
    steepest = 0.0
    for row in found:
        for (below, above), width in zip(row, widths, strict=True):
            size = np.abs(below.forces).max()
            assert abs(above.energy - below.energy) < 3 * size * width + 1e-12
            change = np.abs(above.forces - below.forces).max() - 1e-12
            steepest = max(steepest, change / (2 * width))
    print(f"steepest: {steepest:.1e}")
    assert steepest < 100.0  # eV/Angstrom^2, no more than a stiff bond
