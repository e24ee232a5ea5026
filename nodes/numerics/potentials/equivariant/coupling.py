"""Products of irreducible representations of rotations and reflections.

An irrep is a pair (degree, parity): scalars (0, 1), vectors (1, -1), pseudovectors (1, 1), ...
The product of two holds each degree from |l1 - l2| to l1 + l2 once, with the product of parities.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import factorial, sqrt
from typing import NamedTuple

import numpy as np

__all__ = ["Irrep", "Path", "clebsch_gordan", "coupling_paths", "irreps_of"]


class Irrep(NamedTuple):
    """Degree and parity (1 or -1) of a set of 2 degree + 1 components."""

    degree: int
    parity: int


class Path(NamedTuple):
    """Harmonics of degree ``degree`` times features ``source`` give features ``target``."""

    degree: int
    source: Irrep
    target: Irrep
    is_adjoint: bool = False

    @property
    def adjoint(self) -> Path:
        """The way back, along the reverse edge, whose harmonics have the sign (-1)^degree."""
        return Path(self.degree, self.target, self.source, not self.is_adjoint)

    @property
    def coefficients(self) -> np.ndarray:
        """What couples the components (harmonics, source, target)."""
        if self.is_adjoint:
            back = clebsch_gordan(self.degree, self.target.degree, self.source.degree)
            return (-1) ** self.degree * np.swapaxes(back, 1, 2)
        return clebsch_gordan(self.degree, self.source.degree, self.target.degree)


def irreps_of(max_degree: int) -> tuple[Irrep, ...]:
    """Proper tensors of all degrees, followed by pseudotensors."""
    proper = tuple(Irrep(degree, (-1) ** degree) for degree in range(max_degree + 1))
    return proper + tuple(Irrep(degree, -parity) for degree, parity in proper)


def coupling_paths(
    max_degree: int, sources: Sequence[Irrep], targets: Sequence[Irrep]
) -> tuple[Path, ...]:
    """Allowed products of harmonics up to ``max_degree`` with the sources."""
    return tuple(
        Path(degree, source, target)
        for degree in range(max_degree + 1)
        for source in sources
        for target in targets
        if abs(degree - source.degree) <= target.degree <= degree + source.degree
        and (-1) ** degree * source.parity == target.parity
    )


@cache
def clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    """Clebsch-Gordan coefficients of real spherical harmonics.

    Shape (2 l1 + 1, 2 l2 + 1, 2 l3 + 1); for each pair of target components m, m' their products,
    summed over the first two axes, are 1 if m = m' and 0 otherwise.
    """
    complex_ones = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(-l2, l2 + 1):
            if abs(m1 + m2) <= l3:
                value = _racah(l1, m1, l2, m2, l3)
                complex_ones[l1 + m1, l2 + m2, l3 + m1 + m2] = value
    u1, u2, u3 = _real_basis(l1), _real_basis(l2), _real_basis(l3).conj()
    coefficients = 1j ** (l1 + l2 - l3) * np.einsum(
        "ai,bj,ck,ijk->abc", u1, u2, u3, complex_ones, optimize=True
    )
    result = np.ascontiguousarray(coefficients.real)
    result.setflags(write=False)
    return result


def _racah(l1: int, m1: int, l2: int, m2: int, l3: int) -> float:
    """<l1 m1 l2 m2 | l3 m1+m2> by Racah's formula (Edmonds 1957, eq. 3.6.11)."""
    m3 = m1 + m2
    numerator = (2 * l3 + 1) * factorial(l1 + l2 - l3)
    numerator *= factorial(l1 - l2 + l3) * factorial(l2 + l3 - l1)
    for degree, m in ((l1, m1), (l2, m2), (l3, m3)):
        numerator *= factorial(degree + m) * factorial(degree - m)
    total = 0.0
    for k in range(l1 + l2 - l3 + 1):
        terms = (l1 + l2 - l3 - k, l1 - m1 - k, l2 + m2 - k, l3 - l2 + m1 + k, l3 - l1 - m2 + k)
        if min(terms) >= 0:
            denominator = factorial(k)
            for term in terms:
                denominator *= factorial(term)
            total += (-1) ** k / denominator
    return sqrt(numerator / factorial(l1 + l2 + l3 + 1)) * total


def _real_basis(degree: int) -> np.ndarray:
    """Unitary matrix from complex to real harmonics, rows and columns m = -degree ... degree."""
    matrix = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    matrix[degree, degree] = 1.0
    for m in range(1, degree + 1):
        plus, minus = degree + m, degree - m
        matrix[plus, [plus, minus]] = (-1) ** m / sqrt(2), 1 / sqrt(2)
        matrix[minus, [plus, minus]] = -1j * (-1) ** m / sqrt(2), 1j / sqrt(2)
    return matrix
