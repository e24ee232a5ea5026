"""Units of data files, in ours: eV and Angstrom."""

from ase import units

__all__ = ["energy_in_ev", "length_in_angstrom"]

_ENERGIES = {
    "eV": 1.0,
    "kcal/mol": units.kcal / units.mol,
    "Hartree": units.Hartree,
    "kJ/mol": units.kJ / units.mol,
}
_LENGTHS = {"Ang": 1.0, "Bohr": units.Bohr}


def energy_in_ev(unit: str) -> float:
    """Return the size of a unit of energy, eV."""
    return _ENERGIES[unit]


def length_in_angstrom(unit: str) -> float:
    """Return the size of a unit of length, Angstrom."""
    return _LENGTHS[unit]
