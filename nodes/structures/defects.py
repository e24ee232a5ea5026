"""Point defects of crystals: missing and exchanged atoms."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

import zn_pipeline as zn
from nodes.structures.checks import known_symbols, require_positive


class BuildVacancies(zn.Node):
    """Take atoms away at random, anywhere or close together.

    Parameters
    ----------
    structures : structures, usually supercells; they are not modified
    n_vacancies : number of atoms to take away
    cluster_radius_angstrom : all atoms lie within this distance of the first one; None takes them
        anywhere
    element : take only atoms of this element; None takes any
    n_per_frame : number of defective copies of each structure
    seed : of the whole node; each structure has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : ``len(structures) * n_per_frame`` structures, the copies of a structure together;
        ``info["removed_atoms"]`` has the indices in the input structure

    Raises
    ------
    ValueError
        If there are too few atoms to choose from.
    """

    structures: list[Atoms] = zn.deps()
    n_vacancies: int = zn.params(1)
    cluster_radius_angstrom: float | None = zn.params(None)
    element: str | None = zn.params(None)
    n_per_frame: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        require_positive(self, "n_vacancies", "n_per_frame")
        draw = _Vacancies(
            self.n_vacancies, self.cluster_radius_angstrom, self.element, self.n_per_frame
        )
        self.frames = self.map(draw, self.structures, seed=self.seed)


class BuildAntisites(zn.Node):
    """Put atoms of another element on randomly chosen sites.

    Parameters
    ----------
    structures : structures, usually supercells; they are not modified
    n_antisites : number of sites to change
    elements : the new atoms are drawn from these; None exchanges atoms of the structure with each
        other, in pairs of unlike atoms, so that the composition is kept and 2 * n_antisites sites
        change
    cluster_radius_angstrom : all sites lie within this distance of the first one; None takes them
        anywhere
    n_per_frame : number of defective copies of each structure
    seed : of the whole node; each structure has its own stream, whatever stands beside it

    Attributes
    ----------
    frames : ``len(structures) * n_per_frame`` structures, the copies of a structure together;
        ``info["changed_atoms"]`` has the indices of the changed sites

    Raises
    ------
    ValueError
        If there are too few atoms to choose from.
    """

    structures: list[Atoms] = zn.deps()
    n_antisites: int = zn.params(1)
    elements: list[str] | None = zn.params(None)
    cluster_radius_angstrom: float | None = zn.params(None)
    n_per_frame: int = zn.params(1)
    seed: int = zn.params(0)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        require_positive(self, "n_antisites", "n_per_frame")
        new = None if self.elements is None else known_symbols(self, "elements")
        draw = _Antisites(self.n_antisites, new, self.cluster_radius_angstrom, self.n_per_frame)
        self.frames = self.map(draw, self.structures, seed=self.seed)


@dataclass(frozen=True)
class _Vacancies:
    """Draw the defective copies of one structure."""

    n_vacancies: int
    radius: float | None
    element: str | None
    n_copies: int

    def __call__(self, structure: Atoms, rng: np.random.Generator) -> list[Atoms]:
        symbols = np.array(structure.get_chemical_symbols())
        allowed = np.flatnonzero((symbols == self.element) | (self.element is None))
        copies = []
        for stream in rng.spawn(self.n_copies):
            sites = _drawn_sites(
                structure,
                allowed,
                self.n_vacancies,
                self.radius,
                stream,
                "BuildVacancies.n_vacancies",
            )
            copy = structure.copy()
            del copy[sites]
            copy.info["removed_atoms"] = np.sort(sites)
            copies.append(copy)
        return copies


@dataclass(frozen=True)
class _Antisites:
    """Draw the defective copies of one structure."""

    n_antisites: int
    elements: tuple[str, ...] | None
    radius: float | None
    n_copies: int

    def __call__(self, structure: Atoms, rng: np.random.Generator) -> list[Atoms]:
        return [self._copy(structure, stream) for stream in rng.spawn(self.n_copies)]

    def _copy(self, structure: Atoms, rng: np.random.Generator) -> Atoms:
        copy = structure.copy()
        if self.elements is None:
            sites = self._exchange(copy, rng)
        else:
            new = np.array([atomic_numbers[symbol] for symbol in self.elements])
            allowed = np.flatnonzero([bool((new != old).any()) for old in structure.numbers])
            sites = _drawn_sites(
                structure, allowed, self.n_antisites, self.radius, rng, "BuildAntisites.n_antisites"
            )
            numbers = structure.numbers.copy()
            for site in sites:
                numbers[site] = rng.choice(new[new != numbers[site]])
            copy.numbers = numbers
        copy.info["changed_atoms"] = np.sort(sites)
        return copy

    def _exchange(self, copy: Atoms, rng: np.random.Generator) -> np.ndarray:
        """Exchange pairs of unlike atoms in place; return the changed sites."""
        most = 0
        for first in rng.permutation(len(copy)):
            near = rng.permutation(_within(copy, int(first), self.radius))
            pairs = _unlike_pairs(copy.numbers, near.tolist(), self.n_antisites)
            if len(pairs) == self.n_antisites:
                numbers = copy.numbers.copy()
                for one, other in pairs:
                    numbers[[one, other]] = numbers[[other, one]]
                copy.numbers = numbers
                return np.array(pairs).ravel()
            most = max(most, len(pairs))
        raise ValueError(
            "BuildAntisites.n_antisites must be at most the number of pairs of unlike atoms that "
            f"can be exchanged, {most}, received {self.n_antisites}; make the cell or the radius "
            "larger, or name elements"
        )


def _unlike_pairs(numbers: np.ndarray, sites: list[int], n_pairs: int) -> list[tuple[int, int]]:
    """Return up to `n_pairs` disjoint pairs of sites with different elements."""
    pairs: list[tuple[int, int]] = []
    while len(pairs) < n_pairs:
        # The commonest element goes first: no pair is missed because its partners are gone.
        common = np.bincount(numbers[sites]).argmax() if sites else 0
        first = next((site for site in sites if numbers[site] == common), None)
        second = next((site for site in sites if numbers[site] != common), None)
        if first is None or second is None:
            break
        pairs.append((first, second))
        sites = [site for site in sites if site not in (first, second)]
    return pairs


def _drawn_sites(
    structure: Atoms,
    allowed: np.ndarray,
    count: int,
    radius: float | None,
    rng: np.random.Generator,
    field: str,
) -> np.ndarray:
    """Draw `count` of the allowed sites, all within `radius` (Angstrom) of the first one."""
    most = 0
    for first in rng.permutation(allowed):
        near = np.intersect1d(allowed, _within(structure, int(first), radius))
        if len(near) >= count:
            others = rng.permutation(near[near != first])[: count - 1]
            return np.array([first, *others])
        most = max(most, len(near))
    where = "" if radius is None else f" within {radius} Angstrom of one of them"
    raise ValueError(
        f"{field} must be at most {most}, the number of fitting atoms{where} in "
        f"{structure.get_chemical_formula()}, received {count}"
    )


def _within(structure: Atoms, site: int, radius: float | None) -> np.ndarray:
    """Return the sites within `radius` (Angstrom, to the nearest image) of one, itself included."""
    everywhere = np.arange(len(structure))
    if radius is None:
        return everywhere
    return np.flatnonzero(structure.get_distances(site, everywhere, mic=True) <= radius)
