"""Checks of params and structures that several nodes share."""

from ase import Atoms
from ase.data import atomic_numbers

import zn_pipeline as zn

__all__ = ["known_symbols", "require_crystal", "require_positive"]


def require_positive(node: zn.Node, *fields: str) -> None:
    """Raise ValueError unless each of these counts is at least 1."""
    for field in fields:
        value = getattr(node, field)
        if value < 1:
            raise ValueError(f"{_name(node, field)} must be at least 1, received {value}")


def known_symbols(node: zn.Node, field: str) -> tuple[str, ...]:
    """Return the chemical symbols of a field; raise ValueError unless each is one, and once."""
    symbols = tuple(getattr(node, field))
    unknown = [symbol for symbol in symbols if atomic_numbers.get(symbol, 0) == 0]
    if unknown or not symbols or len(set(symbols)) < len(symbols):
        raise ValueError(
            f"{_name(node, field)} must be chemical symbols, each once, received {list(symbols)}"
        )
    return symbols


def require_crystal(node: zn.Node, structure: Atoms, row: int) -> None:
    """Raise ValueError unless a structure has atoms and is periodic along all three axes."""
    if structure.cell.rank != 3 or not structure.pbc.all() or len(structure) == 0:
        raise ValueError(
            f"{_name(node, 'structures')} must be periodic along three axes, received "
            f"{structure.get_chemical_formula()!r} with pbc {structure.pbc.tolist()} and cell "
            f"{structure.cell.array.round(3).tolist()} in row {row}"
        )


def _name(node: zn.Node, field: str) -> str:
    return f"{type(node).__name__}.{field}"
