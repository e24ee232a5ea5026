"""Free atoms and pairs of atoms: what a potential must know of short and of infinite distances."""

import itertools

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

import zn_pipeline as zn
from nodes.structures.checks import known_symbols


class BuildDimers(zn.Node):
    """Build all pairs of elements, like ones included, each over a range of bond lengths.

    Parameters
    ----------
    elements : chemical symbols
    factor_range : shortest and longest bond as multiples of the sum of the covalent radii
        (Cordero et al., *Dalton Trans.* 2008, 2832)
    n_steps : number of bond lengths of each pair, evenly spaced, both ends included
    bond_lengths_angstrom : the bond lengths of every pair, in the place of the two above
    box_angstrom : edge of a periodic cubic box; None for no cell

    Attributes
    ----------
    frames : pairs in the order AA, AB, ..., BB, ..., each from short to long along x; ``info`` has
        ``dimer`` (such as ``"H-O"``) and ``bond_length_angstrom``

    Raises
    ------
    ValueError
        If a value is out of range, or the box lets a pair come as close to its images as to
        itself.
    """

    elements: list[str] = zn.params()
    factor_range: tuple[float, float] = zn.params((0.65, 2.5))
    n_steps: int = zn.params(41)
    bond_lengths_angstrom: list[float] | None = zn.params(None)
    box_angstrom: float | None = zn.params(None)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        numbers = [atomic_numbers[symbol] for symbol in known_symbols(self, "elements")]
        self.frames = []
        for pair in itertools.combinations_with_replacement(numbers, 2):
            for length in self._bond_lengths(pair):
                self.frames.append(_dimer(pair, float(length), self.box_angstrom))

    def _bond_lengths(self, pair: tuple[int, int]) -> np.ndarray:
        """Return the bond lengths of a pair in Angstrom, ascending."""
        if self.bond_lengths_angstrom is not None:
            lengths = np.sort(np.array(self.bond_lengths_angstrom, float))
            if lengths.size == 0 or lengths[0] <= 0:
                raise ValueError(
                    "BuildDimers.bond_lengths_angstrom must hold positive lengths, received "
                    f"{self.bond_lengths_angstrom}"
                )
        else:
            low, high = self.factor_range
            if not 0 < low <= high or self.n_steps < 1:
                raise ValueError(
                    "BuildDimers.factor_range must be two positive numbers, the smaller first, and "
                    f"n_steps at least 1, received {self.factor_range} and {self.n_steps}"
                )
            lengths = np.linspace(low, high, self.n_steps) * covalent_radii[list(pair)].sum()
        if self.box_angstrom is not None and self.box_angstrom <= 2 * lengths[-1]:
            raise ValueError(
                "BuildDimers.box_angstrom must be more than twice the longest bond, "
                f"{lengths[-1]:.2f} Angstrom, received {self.box_angstrom}"
            )
        return lengths


class BuildIsolatedAtoms(zn.Node):
    """Build one free atom of each element, in its electronic ground state.

    Parameters
    ----------
    elements : chemical symbols
    box_angstrom : edge of a periodic cubic box; None for no cell
    spin : give the spin of the ground state (NIST Atomic Spectra Database): 2S as initial magnetic
        moment of the atom, 2S + 1 as ``info["multiplicity"]``

    Attributes
    ----------
    frames : one atom each, in the order of `elements`

    Raises
    ------
    ValueError
        If an element is unknown, named twice, or has no known ground state (Z above 103).
    """

    elements: list[str] = zn.params()
    box_angstrom: float | None = zn.params(None)
    spin: bool = zn.params(True)
    frames: list[Atoms] = zn.outs()

    def run(self) -> None:
        from nodes.numerics.multiplicities import ground_state_multiplicities

        numbers = [atomic_numbers[symbol] for symbol in known_symbols(self, "elements")]
        if self.box_angstrom is not None and self.box_angstrom <= 0:
            raise ValueError(
                f"BuildIsolatedAtoms.box_angstrom must be positive, received {self.box_angstrom}"
            )
        self.frames = []
        for number in numbers:
            atom = _in_box(Atoms(numbers=[number], positions=np.zeros((1, 3))), self.box_angstrom)
            if self.spin:
                multiplicity = int(ground_state_multiplicities(np.array([number]))[0])
                atom.set_initial_magnetic_moments([multiplicity - 1.0])
                atom.info["multiplicity"] = multiplicity
            self.frames.append(atom)


def _dimer(pair: tuple[int, int], length: float, box: float | None) -> Atoms:
    dimer = Atoms(numbers=pair, positions=[[0.0, 0.0, 0.0], [length, 0.0, 0.0]])
    dimer.info["dimer"] = "-".join(dimer.get_chemical_symbols())
    dimer.info["bond_length_angstrom"] = length
    return _in_box(dimer, box)


def _in_box(atoms: Atoms, box: float | None) -> Atoms:
    if box is not None:
        atoms.set_cell([box] * 3)
        atoms.set_pbc(True)
        atoms.center()
    return atoms
