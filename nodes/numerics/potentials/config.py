"""ModelConfig: everything that fixes the shape of a model."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from nodes.numerics.potentials.corrections import Correction, ExponentialRepulsion, Zbl
from nodes.numerics.potentials.equivariant import EquivariantMessages
from nodes.numerics.potentials.gaussian_moments import GaussianMoments
from nodes.numerics.potentials.heads import Head, PropertyHead
from nodes.numerics.potentials.precision import Precision
from nodes.numerics.potentials.radial import Bessel, Gaussian
from nodes.numerics.potentials.readout import Readout
from nodes.numerics.potentials.representation import Representation

__all__ = ["ModelConfig"]


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a potential: representation, readout, scale and shift, corrections.

    Parameters
    ----------
    elements : tuple of int
        Atomic numbers that may occur. Only these have parameters.
    cutoff_angstrom : float
        Radius of the neighbourhood that an atom sees.
    representation : Representation
        `GaussianMoments` or `EquivariantMessages`.
    readout : Readout
        The network from features to atomic energies.
    n_members : int
        Members of the ensemble; 1 for a plain model.
    ensemble : {'shallow', 'full'}
        Members share all but the last layer, or nothing.
    corrections : tuple of Correction
        Physical terms that are added.
    heads : tuple of Head
        Further properties.
    precision : Precision
        Float types of the parts.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    elements: tuple[int, ...]
    cutoff_angstrom: float = 5.0
    representation: Representation = GaussianMoments()  # noqa: RUF009 - frozen
    readout: Readout = Readout()  # noqa: RUF009 - frozen
    n_members: int = 8
    ensemble: Literal["shallow", "full"] = "shallow"
    corrections: tuple[Correction, ...] = ()
    heads: tuple[Head, ...] = ()
    precision: Precision = Precision()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(sorted({int(z) for z in self.elements})))
        object.__setattr__(self, "corrections", tuple(self.corrections))
        object.__setattr__(self, "heads", tuple(self.heads))
        if not self.elements or self.elements[0] < 1:
            raise ValueError(f"elements must be atomic numbers, received {self.elements}")
        if not self.cutoff_angstrom > 0.0:
            raise ValueError(f"cutoff_angstrom must be positive, received {self.cutoff_angstrom}")
        if self.n_members < 1:
            raise ValueError(f"n_members must be at least 1, received {self.n_members}")
        if self.ensemble not in ("shallow", "full"):
            raise ValueError(f"ensemble must be 'shallow' or 'full', received {self.ensemble!r}")
        for correction in self.corrections:
            r_max = getattr(correction, "r_max_angstrom", None) or 0.0
            if r_max > self.cutoff_angstrom:
                raise ValueError(
                    f"r_max_angstrom must not exceed cutoff_angstrom={self.cutoff_angstrom}, "
                    f"received {correction}"
                )
        for kind in ("corrections", "heads"):
            names = [part.name for part in getattr(self, kind)]
            if len(set(names)) < len(names):
                raise ValueError(f"{kind} must have different names, received {names}")

    @property
    def full(self) -> bool:
        """Whether members share nothing."""
        return self.ensemble == "full" and self.n_members > 1

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of `from_json`."""
        return _encode(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ModelConfig:
        """Read what `to_json` wrote; an unknown key is an error.

        Raises
        ------
        ValueError
            If the record has keys that are not parameters of the model.
        """
        return _decode(cls, record)


_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        GaussianMoments, EquivariantMessages, Bessel, Gaussian, Readout, Precision, Zbl,
        ExponentialRepulsion, PropertyHead,
    )
}  # fmt: skip
"""Classes that may occur in a saved model. An old name stays, also if the class is renamed."""


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        record = {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
        return record if isinstance(value, ModelConfig) else {"kind": type(value).__name__} | record
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _decode(kind: type, record: dict[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = set(record) - known - {"kind"}
    if unknown:
        raise ValueError(
            f"{kind.__name__} must have known keys ({sorted(known)}), received {sorted(unknown)}"
        )
    return kind(**{name: _decoded(value) for name, value in record.items() if name != "kind"})


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(item) for item in value)
    if isinstance(value, dict):
        if value.get("kind") not in _KINDS:
            raise ValueError(
                f"kind must be one of {sorted(_KINDS)}, received {value.get('kind')!r}; the model "
                f"was saved by a newer version"
            )
        return _decode(_KINDS[value["kind"]], value)
    return value
