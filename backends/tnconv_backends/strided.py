"""Gather and scatter for libraries with strided views: nothing is copied to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tnconv.execution.program import AddInto, AxisMap, Shape, View
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


@dataclass(frozen=True, slots=True)
class Turn:
    """A view as libraries know it: axes split, permuted, fused."""

    split: Shape
    order: tuple[int, ...]
    shape: Shape

    def __call__(self, x: Any) -> Any:
        return x.reshape(self.split).transpose(self.order).reshape(self.shape)


def plain_turn(step: View, shape: Shape) -> Turn | None:
    """What a view of all of an array splits, permutes and fuses; None where it does
    anything else (slices, windows, diagonals, broadcasts).

    >>> maps = AxisMap(0, (0, 1)), AxisMap(0, (1, 0))
    >>> plain_turn(View((0,), (3, 2), maps, (3, 2), False), (2, 3)).order
    (1, 0)
    """
    order: list[int] = []
    for axis, size in zip(step.maps, shape, strict=True):
        mine = [d for d, by in enumerate(axis.steps) if by and step.dims[d] > 1]
        mine.sort(key=lambda d: -axis.steps[d])
        pace = size
        for d in mine:
            if axis.steps[d] * step.dims[d] != pace:
                return None
            pace = axis.steps[d]
        if axis.offset or (mine and pace != 1) or (not mine and size != 1):
            return None
        order += mine
    single = [d for d, size in enumerate(step.dims) if size == 1]
    order += single
    if sorted(order) != list(range(len(step.dims))):
        return None
    split = tuple(step.dims[d] for d in order)
    places = tuple(order.index(d) for d in range(len(order)))
    return Turn(split, places, step.shape)


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
