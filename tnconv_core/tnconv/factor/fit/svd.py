"""One cut through a weight: the best factors on either side of a bond.

Singular vectors come from the Gram matrix of the shorter side, or for few of many from
a randomized range finder, so that no full decomposition of a long unfolding is ever
made. The factors are projections of the weight onto those vectors, exact to rounding
whatever the small singular values are.
"""

from __future__ import annotations

from typing import Any

from tnconv.factor.fit.held import Held, normal

Array = Any

#: the shorter side from which few of many vectors are found at random
RANDOMIZED_FROM = 1024
#: vectors beyond those asked for, and passes over the matrix
OVERSAMPLES, PASSES = 16, 3


def split(held: Held, matrix: Array, rank: int, seed: int = 0) -> tuple[Array, Array]:
    """The best ``left @ right`` of a rank, the left with orthonormal columns.

    ``matrix`` is (groups, rows, columns); the result (groups, rows, rank) and (groups,
    rank, columns). Source: Eckart and Young, 1936; at random Halko, Martinsson and
    Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1.
    """
    xp = held.xp
    if matrix.shape[1] <= matrix.shape[2]:
        left = leading(held, matrix, rank, seed)
        return left, turned(xp, left) @ matrix
    right = leading(held, turned(xp, matrix), rank, seed)
    left, weights = xp.linalg.qr(matrix @ right)
    return left, weights @ turned(xp, right)


def cut(held: Held, flat: Array, rank: int, seed: int = 0) -> tuple[Array, Array]:
    """A :func:`split` of any rank: what is beyond the matrix meets zeros on the right.

    Columns there are normal values.
    """
    xp, (groups, rows, columns) = held.xp, flat.shape
    most = min(rank, rows, columns)
    left, right = split(held, flat, most, seed)
    if most < rank:
        more = normal(held, (groups, rows, rank - most), seed) / rows**0.5
        left = xp.concat([left, more], axis=2)
        right = _longer(xp, right, rank)
    return left, right


def triangle(xp: Any, matrix: Array) -> tuple[Array, Array]:
    """``basis @ rest`` of a matrix (groups, rows, columns), of its columns' number.

    Columns of the basis are orthonormal; where rows are fewer, the others are zero.
    """
    basis, rest = xp.linalg.qr(matrix)
    if matrix.shape[1] < (columns := matrix.shape[2]):
        basis = turned(xp, _longer(xp, turned(xp, basis), columns))
        rest = _longer(xp, rest, columns)
    return basis, rest


def _longer(xp: Any, matrix: Array, rows: int) -> Array:
    """With rows of zeros below."""
    shape = (matrix.shape[0], rows - matrix.shape[1], matrix.shape[2])
    zeros = xp.zeros(shape, dtype=matrix.dtype, device=matrix.device)
    return xp.concat([matrix, zeros], axis=1)


def leading(held: Held, matrix: Array, rank: int, seed: int = 0) -> Array:
    """Orthonormal columns (groups, rows, rank): leading left singular vectors.

    There must be at least ``rank`` rows.
    """
    xp, rows = held.xp, matrix.shape[1]
    if rows >= RANDOMIZED_FROM and 4 * (rank + OVERSAMPLES) < min(matrix.shape[1:]):
        return _sketched(held, matrix, rank, seed)
    vectors = xp.linalg.eigh(matrix @ turned(xp, matrix))[1]
    return xp.flip(vectors, axis=-1)[..., :rank]


def _sketched(held: Held, matrix: Array, rank: int, seed: int) -> Array:
    xp = held.xp
    start = normal(held, (matrix.shape[2], rank + OVERSAMPLES), seed)
    basis = xp.linalg.qr(matrix @ start)[0]
    for _ in range(PASSES):
        basis = xp.linalg.qr(matrix @ (turned(xp, matrix) @ basis))[0]
    small = turned(xp, basis) @ matrix
    vectors = xp.linalg.eigh(small @ turned(xp, small))[1]
    return basis @ xp.flip(vectors, axis=-1)[..., :rank]


def singular_values(held: Held, matrix: Array) -> Array:
    """All singular values (groups, min(rows, columns)), largest first.

    From the Gram matrix: below 1e-8 of the largest they are rounding.
    """
    xp = held.xp
    wide = matrix if matrix.shape[1] <= matrix.shape[2] else turned(xp, matrix)
    squares = xp.flip(xp.linalg.eigvalsh(wide @ turned(xp, wide)), axis=-1)
    return xp.sqrt(xp.where(squares > 0, squares, xp.zeros_like(squares)))


def turned(xp: Any, matrix: Array) -> Array:
    """The transpose of every matrix."""
    return xp.permute_dims(matrix, (0, 2, 1))
