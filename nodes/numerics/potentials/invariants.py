"""Rotation-invariant contractions of Gaussian moments, and their derivatives.

With r, s, t running over the radial functions, the families are: M0; M1 M1; M2 M2; M3 M3;
M2 M2 M2; M1 M1 M2; M3 M3 M2; M3 M2 M1 (Zaverkin & Kästner, J. Chem. Theory Comput. 16, 5410,
2020). Products that are equal by symmetry occur once: r <= s in families 1, 2, 3, 5 and 6, and
r <= s <= t in family 4.

Everything is written as explicit sums of products of arrays whose last axis runs over atoms:
compilers turn these into vector instructions, which they do not with reductions over a short
axis. For the same reason the derivative is written out, and that of the derivative follows from
it in forward mode (`invariants_tangent`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "MONOMIALS", "invariants", "invariants_tangent", "labels", "n_invariants",
]  # fmt: skip

MONOMIALS: tuple[tuple[int, ...], ...] = tuple(
    axes for rank in range(4) for axes in itertools.combinations_with_replacement(range(3), rank)
)
"""The 20 distinct products of up to three components of a vector: (), x, y, z, xx, xy, ..."""

Matrix = np.ndarray

_PAIRS = MONOMIALS[4:10]
_TRIPLES = MONOMIALS[10:]
_PAIR_WEIGHTS = np.array([1.0 if i == j else 2.0 for i, j in _PAIRS])
_TRIPLE_WEIGHTS = np.array([float(len(set(itertools.permutations(t)))) for t in _TRIPLES])


def labels(n_radial: int, n_contractions: int = 8) -> list[tuple[int, ...]]:
    """Family and radial indices of each invariant, in order."""
    radial = range(n_radial)
    pairs = [(r, s) for r in radial for s in radial if r <= s]
    families = [
        [(r,) for r in radial],
        pairs,
        pairs,
        pairs,
        [(r, s, t) for r, s in pairs for t in radial if s <= t],
        [(*pair, t) for pair in pairs for t in radial],
        [(*pair, t) for pair in pairs for t in radial],
        list(itertools.product(radial, repeat=3)),
    ]
    chosen = enumerate(families[:n_contractions])
    return [(family, *indices) for family, members in chosen for indices in members]


def n_invariants(n_radial: int, n_contractions: int) -> int:
    """Number of invariants per atom."""
    return len(labels(n_radial, n_contractions))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def invariants(moments: jax.Array, n_contractions: int) -> jax.Array:
    """Full contractions of moments, in the order of `labels`.

    Parameters
    ----------
    moments : (n, n_radial, 20)
        By radial function and monomial.
    n_contractions : int
        How many families to use, 1 to 8.

    Returns
    -------
    (n, n_invariants)
    """
    return _values(moments, n_contractions)


def _invariants_forward(moments: jax.Array, n_contractions: int) -> tuple[jax.Array, jax.Array]:
    return _values(moments, n_contractions), moments


def _invariants_backward(
    n_contractions: int, moments: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array]:
    return (_pull_back(moments, cotangent, n_contractions),)


invariants.defvjp(_invariants_forward, _invariants_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def invariants_tangent(
    moments: jax.Array, tangent: jax.Array, n_contractions: int
) -> tuple[jax.Array, jax.Array]:
    """Invariants, and their change along a tangent of the moments; both may be differentiated."""
    values = partial(_values, n_contractions=n_contractions)
    return jax.jvp(values, (moments,), (tangent,))


def _tangent_forward(
    moments: jax.Array, tangent: jax.Array, n_contractions: int
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    return invariants_tangent(moments, tangent, n_contractions), (moments, tangent)


def _tangent_backward(
    n_contractions: int,
    primals: tuple[jax.Array, jax.Array],
    cotangents: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    # With f the invariants and h(M, y) = f'(M)^T y: the cotangent of M is h(M, a) plus the
    # change of h(M, b) along the tangent. As h is linear in y, both are one forward derivative.
    moments, tangent = primals
    pull_back = partial(_pull_back, n_contractions=n_contractions)
    of_tangent, of_moments = jax.jvp(pull_back, (moments, cotangents[1]), (tangent, cotangents[0]))
    return of_moments, of_tangent


invariants_tangent.defvjp(_tangent_forward, _tangent_backward)


class _Moments(NamedTuple):
    """Moments with atoms last: components first, then the radial function.

    ``pairs`` and ``triples`` hold distinct components, ``matrix`` is M2[i, j], and ``stack`` is
    M3[ij, k] with ij running over distinct pairs.
    """

    scalar: jax.Array
    vector: jax.Array
    pairs: jax.Array
    triples: jax.Array
    matrix: jax.Array
    stack: jax.Array

    @classmethod
    def of(cls, moments: jax.Array) -> _Moments:
        rows = _stored(jnp.transpose(moments, (2, 1, 0)))
        pairs, triples = rows[4:10], rows[10:]
        matrix = _copied(_TO_MATRIX, pairs).reshape(3, 3, *pairs.shape[1:])
        stack = _copied(_TO_STACK, triples).reshape(6, 3, *triples.shape[1:])
        return cls(rows[0], rows[1:4], pairs, triples, matrix, stack)


def _placement(sources: Sequence[tuple[int, ...]], targets: Iterable[tuple[int, ...]]) -> Matrix:
    """0/1 matrix that copies distinct components to index tuples in any order."""
    places = [sources.index(tuple(sorted(target))) for target in targets]
    return np.eye(len(sources))[places]


_TO_MATRIX = _placement(_PAIRS, itertools.product(range(3), repeat=2))
_TO_STACK = _placement(_TRIPLES, [(*pair, k) for pair in _PAIRS for k in range(3)])


_COLLECT = np.block(
    [np.eye(20), np.pad(_TO_MATRIX.T, ((4, 10), (0, 0))), np.pad(_TO_STACK.T, ((10, 0), (0, 0)))]
)
"""Gradients by distinct components from those by the fields of `_Moments`, (20, 47)."""


def _copied(placement: Matrix, rows: jax.Array) -> jax.Array:
    """Apply a 0/1 matrix of `_placement` to the first axis, without arithmetic."""
    return jnp.stack([rows[i] for i in np.argmax(placement, axis=1)])


def _linear(matrix: Matrix, rows: jax.Array) -> jax.Array:
    """Apply a constant matrix to the first axis."""
    flat = rows.reshape(len(rows), -1)
    result = jnp.matmul(jnp.asarray(matrix, rows.dtype), flat, precision="highest")
    return result.reshape(-1, *rows.shape[1:])


def _total(terms: Iterable[jax.Array]) -> jax.Array:
    """Sum written out term by term."""
    terms = iter(terms)
    result = next(terms)
    for term in terms:
        result = result + term
    return result


def _values(moments: jax.Array, n_contractions: int) -> jax.Array:
    n = len(moments)
    m = _Moments.of(moments)
    families = (
        lambda: [m.scalar],
        lambda: _ordered(_gram(m.vector, np.ones(3))),
        lambda: _ordered(_gram(m.pairs, _PAIR_WEIGHTS)),
        lambda: _ordered(_gram(m.triples, _TRIPLE_WEIGHTS)),
        lambda: [part for row in _ordered(_with_pairs(_squares(m), m)) for part in _diagonal(row)],
        lambda: _ordered(_with_pairs(_outer(m), m)),
        lambda: _ordered(_with_pairs(_overlaps(m), m)),
        lambda: [_with_vectors(_mixed(m), m)],
    )
    parts = [part.reshape(-1, n) for family in families[:n_contractions] for part in family()]
    return jnp.concatenate(parts, axis=0).T


def _ordered(full: jax.Array) -> list[jax.Array]:
    """Of (r, s, ...) what has r <= s, one array per r."""
    return [full[r, r:] for r in range(len(full))]


def _diagonal(row: jax.Array) -> list[jax.Array]:
    """Of (s, t, n) with s counted from r what has s <= t, one array per s."""
    skipped = row.shape[1] - row.shape[0]
    return [row[s, skipped + s :] for s in range(len(row))]


def _gram(components: jax.Array, weights: np.ndarray) -> jax.Array:
    """Weighted sum over components of c[r] c[s], shape (r, s, n)."""
    pairs = zip(weights.tolist(), components, strict=True)
    return _total(w * c[:, None] * c[None] for w, c in pairs)


def _stored(rows: jax.Array) -> jax.Array:
    """The same rows, from memory.

    Compilers for CPUs merge a sum into whatever uses it, and so repeat it for each use. The
    result of a matrix product they keep.
    """
    return _linear(np.eye(len(rows)), rows)


def _folded(matrices: jax.Array) -> jax.Array:
    """Contract with a symmetric matrix by distinct components: (3, 3, ...) to (6, ...)."""
    return jnp.stack(
        [matrices[i, j] + matrices[j, i] if i != j else matrices[i, i] for i, j in _PAIRS]
    )


def _squares(m: _Moments) -> jax.Array:
    """M2_r M2_s, folded: shape (6, r, s, n)."""
    f = m.matrix
    return _folded(_total(f[:, j, None, :, None] * f[None, j, :, None] for j in range(3)))


def _outer(m: _Moments) -> jax.Array:
    """M1_r M1_s, folded: shape (6, r, s, n)."""
    return _folded(m.vector[:, None, :, None] * m.vector[None, :, None])


def _overlaps(m: _Moments) -> jax.Array:
    """Sum over i and j of M3_r[i, j, k] M3_s[i, j, l], folded: shape (6, r, s, n)."""
    weighted = zip(_PAIR_WEIGHTS.tolist(), m.stack, strict=True)
    return _folded(_total(w * f[:, None, :, None] * f[None, :, None] for w, f in weighted))


def _mixed(m: _Moments) -> jax.Array:
    """Sum over i and j of M3_r[i, j, k] M2_s[i, j], shape (3, r, s, n)."""
    weighted = zip(_PAIR_WEIGHTS.tolist(), m.stack, m.pairs, strict=True)
    return _stored(_total(w * f[:, :, None] * p[None, None] for w, f, p in weighted))


def _with_pairs(folded: jax.Array, m: _Moments) -> jax.Array:
    """Contract (6, r, s, n) with every M2_t: (r, s, t, n)."""
    return _total(a[:, :, None] * p for a, p in zip(folded, m.pairs, strict=True))


def _with_vectors(vectors: jax.Array, m: _Moments) -> jax.Array:
    """Contract (3, r, s, n) with every M1_t: (r, s, t, n)."""
    return _total(a[:, :, None] * v for a, v in zip(vectors, m.vector, strict=True))


@functools.cache
def _expansions(n_radial: int, n_contractions: int) -> tuple[Matrix, ...]:
    """Per family, a matrix (n_radial, ..., size) that spreads its members over all indices.

    A member that stands for several equal products is shared among them.
    """
    equal = {1: 2, 2: 2, 3: 2, 4: 3, 5: 2, 6: 2}
    matrices = []
    for family in range(n_contractions):
        mine = [label[1:] for label in labels(n_radial, n_contractions) if label[0] == family]
        matrix = np.zeros((n_radial,) * len(mine[0]) + (len(mine),))
        free = equal.get(family, 1)
        for column, indices in enumerate(mine):
            orders = {(*order, *indices[free:]) for order in itertools.permutations(indices[:free])}
            for order in orders:
                matrix[(*order, column)] = 1.0 / len(orders)
        matrices.append(matrix)
    return tuple(matrices)


def _pull_back(moments: jax.Array, cotangent: jax.Array, n_contractions: int) -> jax.Array:
    """Cotangent of the moments, (n, n_radial, 20), from that of the invariants."""
    m = _Moments.of(moments)
    given, start = [], 0
    for matrix in _expansions(moments.shape[1], n_contractions):
        part = cotangent[:, start : start + matrix.shape[-1]].T
        start += matrix.shape[-1]
        full = _linear(matrix.reshape(-1, matrix.shape[-1]), part)
        given.append(full.reshape(*matrix.shape[:-1], -1))
    gradient = jax.tree.map(jnp.zeros_like, m)
    for rule, y in zip(_RULES, given, strict=False):
        parts = rule(y, m)
        gradient = gradient._replace(
            **{name: getattr(gradient, name) + part for name, part in parts.items()}
        )
    shape = (-1, *m.scalar.shape)
    rows = jnp.concatenate([field.reshape(shape) for field in gradient])
    return jnp.transpose(_linear(_COLLECT, rows), (2, 1, 0))


Parts = dict[str, jax.Array]
"""Gradients by fields of `_Moments`."""


def _apply(y: jax.Array, components: jax.Array) -> jax.Array:
    """Sum over s of y[r, s] c[s] for each component: (c, r, n)."""
    return _total(y[None, :, s] * components[:, s, None] for s in range(y.shape[1]))


def _d_scalar(y: jax.Array, m: _Moments) -> Parts:
    return {"scalar": y}


def _d_vector_square(y: jax.Array, m: _Moments) -> Parts:
    return {"vector": 2.0 * _apply(y, m.vector)}


def _d_pair_square(y: jax.Array, m: _Moments) -> Parts:
    weights = jnp.asarray(2.0 * _PAIR_WEIGHTS, y.dtype)[:, None, None]
    return {"pairs": weights * _apply(y, m.pairs)}


def _d_triple_square(y: jax.Array, m: _Moments) -> Parts:
    weights = jnp.asarray(2.0 * _TRIPLE_WEIGHTS, y.dtype)[:, None, None]
    return {"triples": weights * _apply(y, m.triples)}


def _d_cube(y: jax.Array, m: _Moments) -> Parts:
    a = _apply_matrices(y, m)
    inner = itertools.product(range(3), range(y.shape[1]))
    terms = (a[:, j, None, :, s] * m.matrix[None, j, :, s, None] for j, s in inner)
    return {"matrix": 3.0 * _total(terms)}


def _d_outer(y: jax.Array, m: _Moments) -> Parts:
    b = _apply_matrices(y, m)
    inner = itertools.product(range(3), range(y.shape[1]))
    vector = 2.0 * _total(b[:, j, :, s] * m.vector[j, s] for j, s in inner)
    return {"vector": vector, "pairs": _sum_pairs(y, _outer(m))}


def _d_overlap(y: jax.Array, m: _Moments) -> Parts:
    d = _apply_matrices(y, m)
    weights = jnp.asarray(2.0 * _PAIR_WEIGHTS, y.dtype)[:, None, None, None]
    inner = itertools.product(range(3), range(y.shape[1]))
    stack = _total(d[None, :, j, :, s] * m.stack[:, j, s][:, None, None] for j, s in inner)
    return {"stack": weights * stack, "pairs": _sum_pairs(y, _overlaps(m))}


def _d_mixed(y: jax.Array, m: _Moments) -> Parts:
    v, count = _stored(_apply_last(y, m.vector)), range(y.shape[1])
    weights = jnp.asarray(_PAIR_WEIGHTS, y.dtype)[:, None, None]
    stack = _total(v[None, :, :, s] * m.pairs[:, s][:, None, None] for s in count)
    inner = itertools.product(range(3), count)
    pairs = _total(v[k, r] * m.stack[:, k, r, None] for k, r in inner)
    vector = _sum_pairs(y, _mixed(m))
    return {"stack": weights[:, None] * stack, "pairs": weights * pairs, "vector": vector}


def _apply_last(y: jax.Array, components: jax.Array) -> jax.Array:
    """Sum over t of y[r, s, t] c[t] for each component, shape (c, r, s, n)."""
    return _total(y[None, :, :, t] * components[:, t, None, None] for t in range(y.shape[2]))


def _apply_matrices(y: jax.Array, m: _Moments) -> jax.Array:
    """Sum over t of y[r, s, t] M2_t, shape (3, 3, r, s, n)."""
    pairs = _apply_last(y, m.pairs)
    return _copied(_TO_MATRIX, pairs).reshape(3, 3, *pairs.shape[1:])


def _sum_pairs(y: jax.Array, components: jax.Array) -> jax.Array:
    """Sum over r and s of y[r, s, t] c[r, s] for each component, shape (c, t, n)."""
    outer = itertools.product(range(y.shape[0]), repeat=2)
    return _total(y[r, s] * components[:, r, s, None] for r, s in outer)


_RULES = (
    _d_scalar, _d_vector_square, _d_pair_square, _d_triple_square, _d_cube, _d_outer, _d_overlap,
    _d_mixed,
)  # fmt: skip
