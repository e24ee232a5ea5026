"""Random structures with every kind of content, and a strict comparison of structures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength


def _info(rng: np.random.Generator, number: int) -> dict[str, Any]:
    pool: dict[str, Any] = {
        "step": number,
        "time": float(rng.normal()),
        "odd": bool(number % 2),
        "name": f"främe {number}",
        "empty": "",
        "digits": "007",
        "nothing": None,
        "nan": float("nan"),
        "numpy_int": np.int32(rng.integers(99)),
        "numpy_bool": np.bool_(number % 2),
        "numpy_text": np.str_("water"),
        "huge": 2**63 + number,
        "complex": complex(number, -1.5),
        "tuple": (1, 2.5, "x"),
        "bonds": [(0, 1, 1.0), (1, 2, None)],
        "ints": [1, 2, 3],
        "nested": {"a": [1, {"b": (2, np.float32(0.1))}], "c": np.arange(3)},
        "by_number": {1: "one", (2, 3): "pair"},
        "vector": rng.normal(size=3),
        "ragged": rng.normal(size=int(rng.integers(0, 5))),
        "matrix32": rng.normal(size=(2, 3)).astype(np.float32),
        "holes": np.array([np.nan, 1.0, np.nan]),
        "waves": rng.normal(size=2) + 1j * rng.normal(size=2),
        "big": np.array([2**62 + number, -5]),
        "words": np.array(["a", "bcd"]),
        "mixed": [1, "one", 2.5, np.arange(number % 3)][number % 4],
        "a/b": number,
        "energy": -1.0 * number,
        "position": "middle",
    }
    return {key: value for key, value in pool.items() if rng.random() < 0.6}


def _results(rng: np.random.Generator, n_atoms: int) -> dict[str, Any]:
    forces = rng.normal(size=(n_atoms, 3))
    forces[-1:] = np.nan
    pool: dict[str, Any] = {
        "energy": float(rng.normal()),
        "forces": forces,
        "stress": rng.normal(size=6),
        "dipole": rng.normal(size=3),
        "charges": rng.normal(size=n_atoms),
        "magmoms": rng.normal(size=n_atoms),
        "magmom": 2.0,
        "energy_uncertainty": np.float64(rng.random()),
        "forces_ensemble": rng.normal(size=(n_atoms, 3, int(rng.integers(1, 4)))),
    }
    return {key: value for key, value in pool.items() if rng.random() < 0.7}


def _structure(rng: np.random.Generator, number: int) -> Atoms:
    n_atoms = int(rng.integers(0, 9))
    atoms = Atoms(
        numbers=rng.integers(1, 90, n_atoms),
        positions=rng.normal(size=(n_atoms, 3)),
        cell=rng.normal(size=(3, 3)) if number % 3 else None,
        pbc=rng.random(3) < 0.5,
        celldisp=[0.5, 0, 0] if number % 7 == 3 else None,
    )
    if rng.random() < 0.5:
        atoms.set_momenta(rng.normal(size=(n_atoms, 3)))
    if rng.random() < 0.5:
        atoms.set_tags(rng.integers(0, 5, n_atoms))
    if rng.random() < 0.3:
        atoms.set_masses(rng.random(n_atoms) + 1)
    if rng.random() < 0.3:
        atoms.set_array("residue", np.array(["HOH"] * n_atoms))
        atoms.set_array("mask", rng.random(n_atoms) < 0.5)
        atoms.set_array("velocities", rng.normal(size=n_atoms))
    atoms.info.update(_info(rng, number))
    if n_atoms > 2 and rng.random() < 0.5:
        atoms.set_constraint([FixAtoms([0, 2]), FixBondLength(0, 1)])
    if rng.random() < 0.6:
        atoms.calc = SinglePointCalculator(atoms)
        atoms.calc.results.update(_results(rng, n_atoms))
    return atoms


@pytest.fixture
def random_frames() -> Callable[[int, int], list[Atoms]]:
    """Give a function of (seed, number of frames)."""

    def make(seed: int, count: int) -> list[Atoms]:
        rng = np.random.default_rng(seed)
        return [_structure(rng, number) for number in range(count)]

    return make


def _assert_same_value(one: Any, other: Any, where: str) -> None:
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray | np.generic):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            _assert_same_value(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for left, right in zip(one, other, strict=True):
            _assert_same_value(left, right, where)
    else:
        assert one == other or (one != one and other != other), where


def _assert_same_frame(one: Atoms, other: Atoms) -> None:
    for name in ("cell", "pbc"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.get_celldisp(), other.get_celldisp())
    _assert_same_value(_sorted(one.arrays), _sorted(other.arrays), "arrays")
    _assert_same_value(_sorted(one.info), _sorted(other.info), "info")
    results = [atoms.calc.results if atoms.calc else {} for atoms in (one, other)]
    _assert_same_value(_sorted(results[0]), _sorted(results[1]), "results")
    constraints = [[item.todict() for item in atoms.constraints] for atoms in (one, other)]
    assert str(constraints[0]) == str(constraints[1])


def _sorted(values: dict[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in sorted(values)}


@pytest.fixture
def assert_same_frame() -> Callable[[Atoms, Atoms], None]:
    """Give a comparison that sees types, dtypes, NaN, constraints and what is absent."""
    return _assert_same_frame


@pytest.fixture
def labelled() -> Callable[..., list[Atoms]]:
    """Give a function of (count, n_atoms=4): labelled structures of one size."""

    def make(count: int, n_atoms: int = 4) -> list[Atoms]:
        rng = np.random.default_rng(count)
        frames = []
        for number in range(count):
            atoms = Atoms("H" * n_atoms, rng.normal(size=(n_atoms, 3)), cell=[9, 9, 9], pbc=True)
            atoms.calc = SinglePointCalculator(
                atoms,
                energy=float(rng.normal()),
                forces=rng.normal(size=(n_atoms, 3)),
                stress=rng.normal(size=6),
            )
            atoms.info["step"] = number
            frames.append(atoms)
        return frames

    return make
