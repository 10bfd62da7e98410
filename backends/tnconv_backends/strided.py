"""Gather and scatter for libraries with strided views: nothing is copied to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from tnconv.execution.program import AddInto, AxisMap
from tnconv_backends.scatter import colliding


def strided(
    maps: Sequence[AxisMap], strides: Sequence[int], dims: int
) -> tuple[int, tuple[int, ...]]:
    """Offset and stride of every dimension, in the units of ``strides``."""
    offset, moves = 0, [0] * dims
    for axis, stride in zip(maps, strides, strict=True):
        offset += axis.offset * stride
        for d, by in enumerate(axis.steps):
            moves[d] += by * stride
    return offset, tuple(moves)


def turns(
    step: AddInto, dims: Sequence[int]
) -> Iterator[tuple[tuple[int | slice, ...], tuple[AxisMap, ...]]]:
    """Pairs (slice of the source, maps of its free dimensions) that never collide."""
    looped = () if step.injective else colliding(step.maps, dims)
    for values in product(*(range(dims[d]) for d in looped)):
        at = dict(zip(looped, values, strict=True))
        index = tuple(at.get(d, slice(None)) for d in range(len(dims)))
        free = [d for d in range(len(dims)) if d not in at]
        maps = tuple(
            AxisMap(
                axis.offset + sum(axis.steps[d] * v for d, v in at.items()),
                tuple(axis.steps[d] for d in free),
            )
            for axis in step.maps
        )
        yield index, maps
