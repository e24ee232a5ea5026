"""Gaussian moments: rotation-invariant features of an atom's neighbourhood.

Zaverkin & Kästner, J. Chem. Theory Comput. 16, 5410 (2020). Per atom and learned radial
function s, the moments of rank 0 to 3 over its neighbours j are

    M_s = sum_j R_s(r_j) * (1, u, u u, u u u),    u = edge vector / r,

of which only the 20 distinct products of components are summed. The features are eight
families of full contractions of one, two or three moments (see `invariants`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.potentials.drawing import orthogonal
from nodes.numerics.potentials.invariants import (
    MONOMIALS,
    invariants,
    invariants_tangent,
    n_invariants,
)
from nodes.numerics.potentials.moments import Settings, moments, moments_tangent
from nodes.numerics.potentials.radial import Bessel, Gaussian
from nodes.numerics.potentials.representation import Description, Edges, Weights

__all__ = ["RADIAL_UNIT", "GaussianMoments"]

RADIAL_UNIT = 4.0
"""What coefficients are stored in: steps of fixed size, as Adam takes them, turn them four times
as fast as in units of one. A power of two, so that nothing is rounded."""


@dataclass(frozen=True)
class GaussianMoments:
    """Gaussian moments with radial functions learned per pair of elements.

    Parameters
    ----------
    n_radial : int
        Learned radial functions; without ``contraction`` it must equal ``basis.n_basis``.
    n_contractions : int
        How many of the eight families of invariants are used, 1 to 8.
    basis : Bessel or Gaussian
        What radial functions are combinations of.
    contraction : bool
        Learn the combinations; if not, the basis functions themselves are the radial functions
        and elements are not told apart.
    coefficients : {'orthogonal', 'uniform'}
        Initial coefficients. Orthogonal: random orthonormal rows for each pair of elements.
        Uniform: between 0 and 1 for a Bessel basis and between -1 and 1, over sqrt(n_basis), for a
        Gaussian one.
    direction_offset_angstrom : float
        Directions are edge vectors divided by r + this.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    name: ClassVar[str] = "gaussian-moments"
    n_radial: int = 5
    n_contractions: int = 8
    basis: Bessel | Gaussian = Bessel()  # noqa: RUF009 - frozen
    contraction: bool = True
    coefficients: Literal["orthogonal", "uniform"] = "orthogonal"
    direction_offset_angstrom: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.n_contractions <= 8:
            raise ValueError(f"n_contractions must be 1 to 8, received {self.n_contractions}")
        if self.n_radial < 1:
            raise ValueError(f"n_radial must be at least 1, received {self.n_radial}")
        if not self.contraction and self.n_radial != self.basis.n_basis:
            raise ValueError(
                f"n_radial must be n_basis={self.basis.n_basis} without contraction, received "
                f"{self.n_radial}"
            )
        if self.coefficients not in ("orthogonal", "uniform"):
            raise ValueError(
                f"coefficients must be 'orthogonal' or 'uniform', received {self.coefficients!r}"
            )
        if self.direction_offset_angstrom < 0.0:
            raise ValueError(
                f"direction_offset_angstrom must not be negative, received "
                f"{self.direction_offset_angstrom}"
            )

    @property
    def n_features(self) -> int:
        """Number of invariants per atom."""
        return n_invariants(self.n_radial, self.n_contractions)

    def init(self, key: jax.Array, *, n_elements: int, cutoff: float, dtype: Any) -> Weights:
        """Coefficients (n_elements, n_elements, n_radial, n_basis) by receiver and sender.

        They are stored in units of `RADIAL_UNIT`.
        """
        if not self.contraction:
            return {}
        n_basis = self.basis.n_basis
        shape = (n_elements, n_elements, self.n_radial, n_basis)
        if self.coefficients == "orthogonal":
            radial = orthogonal(key, shape, dtype)
        elif isinstance(self.basis, Bessel):
            radial = jax.random.uniform(key, shape, dtype)
        else:
            radial = jax.random.uniform(key, shape, dtype, -1.0, 1.0) / n_basis**0.5
        return {"radial": radial / RADIAL_UNIT}

    def describe(
        self, weights: Weights, edges: Edges, *, cutoff: float, equivariant: bool = False
    ) -> Description:
        """Invariants, and if ``equivariant`` the moments of rank 1 and 2."""
        values = self.moments(weights, edges, cutoff=cutoff)
        scalars: Any = invariants(values, self.n_contractions)
        if not equivariant:
            return Description(scalars)
        pairs = [MONOMIALS.index(tuple(sorted((i, j)))) for i in range(3) for j in range(3)]
        matrices = values[..., np.array(pairs)].reshape(*values.shape[:2], 3, 3)
        return Description(scalars, values[..., 1:4], matrices)

    def moments(self, weights: Weights, edges: Edges, *, cutoff: float) -> jax.Array:
        """Moments of all ranks, as distinct components (N, n_radial, 20)."""
        settings = Settings(self.basis, cutoff, self.direction_offset_angstrom)
        return moments(settings, *self._inputs(weights, edges))

    def describe_tangent(
        self, weights: Weights, edges: Edges, direction: jax.Array, *, cutoff: float
    ) -> tuple[jax.Array, jax.Array]:
        """Scalars (N, n_features), and their change as edge vectors move along ``direction``."""
        settings = Settings(self.basis, cutoff, self.direction_offset_angstrom)
        inputs = self._inputs(weights, edges)
        values, tangent = moments_tangent(settings, *inputs, direction)
        return invariants_tangent(values, tangent, self.n_contractions)

    def _inputs(self, weights: Weights, edges: Edges) -> tuple[jax.Array, Edges]:
        """Coefficients and edges; without contraction all elements are one."""
        if self.contraction:
            return RADIAL_UNIT * weights["radial"], edges
        one = edges._replace(
            receiver=jnp.minimum(edges.receiver, 0), sender=jnp.minimum(edges.sender, 0)
        )
        return jnp.eye(self.n_radial, dtype=edges.vectors.dtype)[None, None], one
