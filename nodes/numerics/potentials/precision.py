"""Precision: the float type of each part of a model, without a global switch."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import astuple, dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

__all__ = ["FloatType", "Precision"]

FloatType = Literal["default", "float32", "float64"]


@dataclass(frozen=True)
class Precision:
    """Float types of the parts of a model.

    'default' is JAX's float type at the time of use: float32, unless the caller has switched
    float64 on.

    Parameters
    ----------
    descriptor : {'default', 'float32', 'float64'}
        Edge vectors and the representation.
    readout : {'default', 'float32', 'float64'}
        The neural network.
    energy : {'default', 'float32', 'float64'}
        Scale and shift of atomic energies, corrections, and sums over atoms.

    Raises
    ------
    ValueError
        If a float type is unknown.
    """

    descriptor: FloatType = "default"
    readout: FloatType = "default"
    energy: FloatType = "default"

    def __post_init__(self) -> None:
        for name in ("descriptor", "readout", "energy"):
            if getattr(self, name) not in ("default", "float32", "float64"):
                raise ValueError(
                    f"{name} must be 'default', 'float32' or 'float64', received "
                    f"{getattr(self, name)!r}"
                )

    @classmethod
    def double(cls) -> Precision:
        """Everything in float64."""
        return cls("float64", "float64", "float64")

    def dtype(self, part: Literal["descriptor", "readout", "energy"]) -> Any:
        """NumPy type of a part; to be asked within `scope`."""
        name = getattr(self, part)
        return jnp.result_type(float) if name == "default" else jnp.dtype(name)

    @contextlib.contextmanager
    def scope(self) -> Generator[None]:
        """Allow float64 inside the block if some part asks for it; nothing changes otherwise."""
        if "float64" in astuple(self):
            with jax.enable_x64(True):
                yield
        else:
            yield
