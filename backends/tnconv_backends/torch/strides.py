"""Strided reads and writes: what is known when a step is bound, what on each call.

PyTorch's strides are never negative, so a dimension that runs backwards is read
forwards and flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tnconv.execution.program import AxisMap, Shape
from tnconv_backends.strided import strided

Tensor = Any


@dataclass(frozen=True, slots=True)
class Reading:
    """Arguments of ``as_strided`` and the dimensions to flip afterwards."""

    shape: Shape
    strides: tuple[int, ...]
    offset: int
    flips: tuple[int, ...]

    def of(self, x: Tensor) -> Tensor:
        """The view itself; ``x`` has the strides that this was made for."""
        start = x.storage_offset() + self.offset
        return x.as_strided(self.shape, self.strides, start)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of contiguous memory."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def reading(maps: Sequence[AxisMap], strides: Sequence[int], dims: Shape) -> Reading:
    """How to read dimensions ``dims`` from an array with these strides."""
    offset, moves = strided(maps, strides, len(dims))
    flips = tuple(d for d, by in enumerate(moves) if by < 0 and dims[d] > 1)
    offset += sum(moves[d] * (dims[d] - 1) for d in flips)
    return Reading(dims, tuple(abs(by) for by in moves), offset, flips)


def fused(found: Reading, shape: Shape) -> Reading | None:
    """The same read with neighboring dimensions fused, where strides allow it."""
    if found.flips:
        return None
    wide = [(n, by) for n, by in zip(found.shape, found.strides, strict=True) if n != 1]
    strides = []
    for size in reversed(shape):
        step, have = 1, 1
        while have < size:
            length, by = wide.pop()
            if have > 1 and by != step * have:
                return None
            step = by if have == 1 else step
            have *= length
        strides.append(step)
    return Reading(shape, tuple(reversed(strides)), found.offset, ())


def is_whole(found: Reading, source: Shape) -> bool:
    """Whether it reads contiguous memory of shape ``source`` in order, once."""
    line = row_major(found.shape)
    count = extent = 1
    for size, by, want in zip(found.shape, found.strides, line, strict=True):
        if size != 1 and by != want:
            return False
        count *= size
    for size in source:
        extent *= size
    return not found.offset and not found.flips and count == extent
