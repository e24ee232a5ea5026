"""Random crystals: where the search for structures begins."""

import itertools
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.symbols import string2symbols

import zn_pipeline as zn
from nodes.structures.checks import require_positive


class BuildRandomCrystals(zn.Node):
    """Build random sensible crystals of a composition.

    Ab initio random structure searching: C. Pickard and R. Needs, *J. Phys.: Condens. Matter*
    **23**, 053201 (2011). A cell of a random lattice system and volume gets atoms at random; a
    soft repulsion pushes them apart until every pair has its distance. What cannot be pushed apart
    is thrown away, cell and all, and drawn anew.

    Parameters
    ----------
    formula : composition of one formula unit, e.g. ``"SiO2"``
    n_structures : number of crystals
    formula_units : each crystal has one of these numbers of formula units
    volume_per_atom_angstrom3 : smallest and largest volume
    min_distances_angstrom : smallest distance for pairs of elements, e.g. ``{"O-Si": 1.5}``; for
        other pairs `distance_factor` times the sum of the covalent radii
    distance_factor : see above
    lattice_systems : drawn from these, all seven by default: cubic, tetragonal, orthorhombic,
        hexagonal, rhombohedral, monoclinic, triclinic
    max_attempts : cells to draw for one crystal before giving up
    seed : crystal k is the same whatever `n_structures` is

    Attributes
    ----------
    frames : `n_structures` crystals, atoms in the order of the formula; ``info`` has
        ``lattice_system`` and ``formula_units``

    Raises
    ------
    ValueError
        If a value is out of range, or the distances leave no room for the atoms.
    MapFailedError
        If no crystal is found within `max_attempts`.
    """

    formula: str = zn.params()
    n_structures: int = zn.params(1)
    formula_units: list[int] = zn.params([1, 2, 4])
    volume_per_atom_angstrom3: tuple[float, float] = zn.params()
    min_distances_angstrom: dict[str, float] = zn.params({})
    distance_factor: float = zn.params(0.8)
    lattice_systems: list[str] | None = zn.params(None)
    max_attempts: int = zn.params(100)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        from nodes.numerics.random_crystals import LATTICE_SYSTEMS

        self._check()
        systems = tuple(LATTICE_SYSTEMS if self.lattice_systems is None else self.lattice_systems)
        if not systems or set(systems) - set(LATTICE_SYSTEMS):
            raise ValueError(
                f"BuildRandomCrystals.lattice_systems must be among {', '.join(LATTICE_SYSTEMS)}, "
                f"received {self.lattice_systems}"
            )
        draw = _RandomCrystal(
            symbols=_symbols(self.formula),
            formula_units=tuple(self.formula_units),
            volumes=self.volume_per_atom_angstrom3,
            distances=tuple(sorted(self._distances().items())),
            systems=systems,
            max_attempts=self.max_attempts,
        )
        draw.require_room()
        self.frames = self.map(draw, range(self.n_structures), seed=self.seed)

    def _check(self) -> None:
        require_positive(self, "n_structures", "max_attempts")
        low, high = self.volume_per_atom_angstrom3
        if not 0 < low <= high or min(self.formula_units, default=0) < 1:
            raise ValueError(
                "BuildRandomCrystals.volume_per_atom_angstrom3 must be two positive numbers, the "
                "smaller first, and formula_units numbers from 1, received "
                f"{self.volume_per_atom_angstrom3} and {self.formula_units}"
            )

    def _distances(self) -> dict[tuple[str, str], float]:
        """Return the smallest distance (Angstrom) of each pair of elements, sorted by name."""
        kinds = sorted(set(_symbols(self.formula)))
        pairs = list(itertools.combinations_with_replacement(kinds, 2))
        distances = {
            pair: self.distance_factor * float(covalent_radii[Atoms(pair).numbers].sum())
            for pair in pairs
        }
        for name, distance in self.min_distances_angstrom.items():
            pair = tuple(sorted(name.split("-")))
            if len(pair) != 2 or pair not in distances:
                raise ValueError(
                    "BuildRandomCrystals.min_distances_angstrom must have pairs of elements of "
                    f"{self.formula} as keys, such as {'-'.join(pairs[-1])!r}, received {name!r}"
                )
            distances[pair[0], pair[1]] = float(distance)
        if min(distances.values()) <= 0:
            raise ValueError(
                "BuildRandomCrystals.min_distances_angstrom and distance_factor must be positive, "
                f"received {self.min_distances_angstrom} and {self.distance_factor}"
            )
        return distances


@dataclass(frozen=True)
class _RandomCrystal:
    """Draw one crystal; the item is its number, which only tells the seeds apart."""

    symbols: tuple[str, ...]
    formula_units: tuple[int, ...]
    volumes: tuple[float, float]
    distances: tuple[tuple[tuple[str, str], float], ...]
    systems: tuple[str, ...]
    max_attempts: int

    def require_room(self) -> None:
        """Raise ValueError if spheres of one element alone would fill too much of the cell."""
        from nodes.numerics.random_crystals import surely_too_dense

        kinds = sorted(set(self.symbols))
        counts = np.array([self.symbols.count(kind) for kind in kinds])
        diameters = np.array([dict(self.distances)[kind, kind] for kind in kinds])
        if surely_too_dense(counts, diameters, self.volumes[1] * len(self.symbols)):
            raise ValueError(
                "BuildRandomCrystals.min_distances_angstrom must leave room for all atoms in the "
                f"largest volume of {self.volumes[1]} Angstrom^3 per atom, received "
                f"{dict(self.distances)}; make the distances smaller or the volume larger"
            )

    def __call__(self, number: int, rng: np.random.Generator) -> Atoms:
        from nodes.numerics.random_crystals import closest_ratio, push_apart, random_cell

        best = 0.0
        for _ in range(self.max_attempts):
            units = int(rng.choice(self.formula_units))
            system = str(rng.choice(self.systems))
            symbols = list(self.symbols) * units
            volume = float(rng.uniform(*self.volumes)) * len(symbols)
            cell = random_cell(rng, system, volume)
            separations = self._separations(symbols)
            positions = push_apart(rng.random((len(symbols), 3)) @ cell, cell, separations)
            ratio = closest_ratio(positions, cell, separations)
            if ratio >= 1.0:
                crystal = Atoms(symbols, positions=positions, cell=cell, pbc=True)
                crystal.wrap()
                crystal.info.update(lattice_system=system, formula_units=units)
                return crystal
            best = max(best, ratio)
        raise ValueError(
            f"BuildRandomCrystals.max_attempts must be enough to find crystal {number}, received "
            f"{self.max_attempts}; the best try had {best:.2f} of the distances in "
            "min_distances_angstrom. Make them smaller, or volume_per_atom_angstrom3 larger"
        )

    def _separations(self, symbols: list[str]) -> np.ndarray:
        """Return the smallest distances between all atoms, (n, n) Angstrom."""
        table = dict(self.distances)
        return np.array([[table[min(a, b), max(a, b)] for b in symbols] for a in symbols])


def _symbols(formula: str) -> tuple[str, ...]:
    """Return the chemical symbols of a formula, one for each atom."""
    try:
        symbols = tuple(string2symbols(formula))
    except (KeyError, ValueError):
        symbols = ()
    if not symbols or any(atomic_numbers.get(symbol, 0) == 0 for symbol in symbols):
        raise ValueError(
            f"BuildRandomCrystals.formula must be a chemical formula, received {formula!r}"
        )
    return symbols
