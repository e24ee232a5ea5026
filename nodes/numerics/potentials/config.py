"""ModelConfig: everything that fixes the shape of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ModelConfig"]


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a Gaussian-moment network with a shallow ensemble.

    Parameters
    ----------
    elements : tuple of int
        Atomic numbers that may occur. Only these have parameters.
    cutoff_angstrom : float
        Radius of the neighbourhood that an atom sees.
    n_basis : int
        Radial basis functions.
    n_radial : int
        Learned radial functions per pair of elements.
    n_contractions : int
        How many of the eight families of invariants are used, 1 to 8.
    hidden : tuple of int
        Widths of the hidden layers.
    n_members : int
        Members of the ensemble, which share all but the last layer; 1 for a plain model.
    zbl : bool
        Add the universal screened-nuclear repulsion at short distances.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    elements: tuple[int, ...]
    cutoff_angstrom: float = 5.0
    n_basis: int = 16
    n_radial: int = 5
    n_contractions: int = 8
    hidden: tuple[int, ...] = (256, 256)
    n_members: int = 8
    zbl: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(sorted({int(z) for z in self.elements})))
        object.__setattr__(self, "hidden", tuple(int(width) for width in self.hidden))
        if not self.elements or self.elements[0] < 1:
            raise ValueError(f"elements must be atomic numbers, received {self.elements}")
        if not self.cutoff_angstrom > 0.0:
            raise ValueError(f"cutoff_angstrom must be positive, received {self.cutoff_angstrom}")
        if not 1 <= self.n_contractions <= 8:
            raise ValueError(f"n_contractions must be 1 to 8, received {self.n_contractions}")
        for name in ("n_basis", "n_radial", "n_members"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, received {getattr(self, name)}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must name at least one width, received {self.hidden}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of `from_json`."""
        record = asdict(self)
        return record | {"elements": list(self.elements), "hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ModelConfig:
        """Read what `to_json` wrote; an unknown key is an error.

        Raises
        ------
        ValueError
            If the record has keys that are not parameters of the model.
        """
        unknown = set(record) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"model config must have known keys, received {sorted(unknown)}")
        return cls(**record)
