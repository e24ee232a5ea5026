"""Charge and spin of a structure."""

from ase import Atoms

__all__ = ["charge_and_multiplicity", "total_charge"]


def total_charge(atoms: Atoms, charge: int | None = None) -> int:
    """Return the total charge in e: the one given, ``info["charge"]``, or the sum of the atoms'."""
    if charge is not None:
        return charge
    return round(float(atoms.info.get("charge", atoms.get_initial_charges().sum())))


def charge_and_multiplicity(
    atoms: Atoms, *, charge: int | None = None, multiplicity: int | None = None
) -> tuple[int, int]:
    """Return the total charge in e and the multiplicity 2S + 1.

    The charge is that of :func:`total_charge`. The multiplicity is the one given, or
    ``info["multiplicity"]``, or that of the initial magnetic moments if they are not all zero, or
    the lowest possible: 1 for an even number of electrons and 2 for an odd one.

    Raises
    ------
    ValueError
        If that many electrons cannot have that multiplicity.
    """
    charge = total_charge(atoms, charge)
    electrons = int(atoms.numbers.sum()) - charge
    if multiplicity is None:
        multiplicity = atoms.info.get("multiplicity")
    wanted = _lowest(atoms, electrons) if multiplicity is None else int(multiplicity)
    if wanted < 1 or (electrons + wanted) % 2 == 0:
        raise ValueError(
            f"multiplicity must be {'even' if electrons % 2 else 'odd'} for {electrons} electrons "
            f"({atoms.get_chemical_formula()}, charge {charge}), received {wanted}; "
            "correct charge, multiplicity or the initial magnetic moments"
        )
    return charge, wanted


def _lowest(atoms: Atoms, electrons: int) -> int:
    moments = atoms.get_initial_magnetic_moments()
    if moments.any() and moments.ndim == 1:
        return abs(round(float(moments.sum()))) + 1
    return electrons % 2 + 1
