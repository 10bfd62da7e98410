"""Multiply-and-sum by dot products or in turns, for libraries that write in place.

NumPy's einsum adds up products one by one. Where the innermost dimension is summed, the
library's dot product is several times faster; where it is kept, so are two plain passes
(multiply, add) for each position of the summed dimensions, over blocks of the result
that stay in cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from tnconv.execution.program import MultiplySum
from tnconv.execution.ways import BLOCK, Product

Array = Any
Index = tuple[int | slice | None, ...]


def dot_products(
    xp: Any, step: MultiplySum, job: Product
) -> Callable[[Array, Array], Array]:
    """Dot products over the innermost dimension, the other summed ones added up."""
    inner = max(job.sizes)
    rest = [d for d in job.summed if d != inner]
    order = [*job.kept, *rest, inner]
    left, right = (_aligned(own, order) for own in (step.left, step.right))
    added = tuple(range(len(job.kept), len(order) - 1))

    def run(a: Array, b: Array) -> Array:
        found = xp.matmul(left(a)[..., None, :], right(b)[..., :, None])[..., 0, 0]
        return found.sum(axis=added, dtype=found.dtype) if added else found

    return run


def in_turns(
    xp: Any, step: MultiplySum, job: Product
) -> Callable[[Array, Array], Array]:
    """Multiply and add in place: block by block, a position of the summed at a time."""
    order = [*job.summed, *job.kept]
    left, right = (_aligned(own, order) for own in (step.left, step.right))
    shape = tuple(job.sizes[d] for d in job.kept)
    positions = list(product(*(range(job.sizes[d]) for d in job.summed)))
    has = [[d in own for d in order] for own in (step.left, step.right)]
    count = len(job.summed)
    reads = [tuple([_where(at, own[:count]) for at in positions]) for own in has]
    blocks = [
        (cut, _where(cut, has[0][count:]), _where(cut, has[1][count:]))
        for cut in _blocks(shape)
    ]

    def run(a: Array, b: Array) -> Array:
        a, b = left(a), right(b)
        found = xp.empty(shape, a.dtype)
        pairs = [(a[i], b[j]) for i, j in zip(*reads, strict=True)]
        spare = xp.empty_like(found[blocks[0][0]])
        for cut, mine, theirs in blocks:
            total = found[cut]
            part = spare[tuple([slice(n) for n in total.shape])]
            first, second = pairs[0]
            xp.multiply(first[mine], second[theirs], out=total)
            for first, second in pairs[1:]:
                xp.multiply(first[mine], second[theirs], out=part)
                xp.add(total, part, out=total)
        return found

    return run


def _aligned(own: Sequence[int], order: Sequence[int]) -> Callable[[Array], Array]:
    """Dimensions in ``order``, of length 1 where the operand lacks them."""
    axes = tuple(own.index(d) for d in order if d in own)
    index = tuple(slice(None) if d in own else None for d in order)
    return lambda x: x.transpose(axes)[index]


def _where(at: Sequence[int | slice], has: Sequence[bool]) -> Index:
    """An index into an operand, where dimensions that it lacks have length 1."""
    alone = [0 if isinstance(j, int) else slice(None) for j in at]
    pairs = zip(at, alone, has, strict=True)
    return tuple([j if mine else other for j, other, mine in pairs])


def _blocks(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Slices of every dimension: blocks of neighbors that fit in cache."""
    room, lengths = BLOCK, []
    for size in reversed(shape):
        lengths.append(max(1, min(size, room)))
        room //= max(1, size)
    cuts = [
        [slice(j, min(j + step, size)) for j in range(0, size, step)]
        for size, step in zip(shape, reversed(lengths), strict=True)
    ]
    yield from product(*cuts)
