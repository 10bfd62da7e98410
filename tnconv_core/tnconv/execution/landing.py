"""Bodies of a loop that put their result where the loop has it.

A loop's blocks write parts of one array. Where a part lies in one piece, the step that
makes a block's result can write it there, or add it there: nothing is held beside it,
and nothing is copied. Which steps can, libraries decide
(:class:`tnconv.execution.liveness.Beside`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tnconv.execution.program import (
    AxisMap,
    Loop,
    Matmul,
    Program,
    Shape,
    Slices,
    View,
    size_of,
)
from tnconv.execution.ways import filled


def maker(body: Program) -> int | None:
    """The place of the step that makes the result: the last one, but for views that
    leave the order of memory as it is."""
    count = len(body.inputs)
    at = body.result - count
    while at >= 0:
        step = body.steps[at]
        if not isinstance(step, View) or step.copy:
            return at
        if not keeps_order(step, body.shapes[step.sources[0]]):
            return None
        at = step.sources[0] - count
    return None


def keeps_order(step: View, source: Shape) -> bool:
    """Whether a view reads all of an array in the order of memory.

    >>> maps = AxisMap(0, (2, 1)),
    >>> keeps_order(View((0,), (3, 2), maps, (3, 2), False), (6,))
    True
    """
    if size_of(step.dims) != size_of(source) or any(m.offset for m in step.maps):
        return False
    paces = _paces(step.maps, source, len(step.dims))
    wanted = _row_major(step.dims)
    every = zip(step.dims, paces, wanted, strict=True)
    return all(size == 1 or pace == want for size, pace, want in every)


def _paces(maps: Sequence[AxisMap], source: Shape, dims: int) -> list[int]:
    """How far each dimension moves in memory."""
    found = [0] * dims
    for axis, stride in zip(maps, _row_major(source), strict=True):
        for d, by in enumerate(axis.steps):
            found[d] += by * stride
    return found


def _row_major(shape: Shape) -> list[int]:
    found, step = [0] * len(shape), 1
    for d in reversed(range(len(shape))):
        found[d], step = step, step * shape[d]
    return found


def in_one_piece(part: Slices, shape: Shape) -> bool:
    """Whether a part of an array lies side by side in memory.

    >>> in_one_piece(((1, 2), (0, 3)), (4, 5)), in_one_piece(((1, 3), (0, 3)), (4, 5))
    (True, False)
    """
    sizes = [stop - start for start, stop in part]
    first = next((d for d, size in enumerate(sizes) if size != 1), len(sizes))
    return tuple(sizes[first + 1 :]) == tuple(shape[first + 1 :])


def begun(loop: Loop) -> list[bool]:
    """Of every block, whether its part was begun, so that it is added: by a block of
    the same part, or by zeros where parts meet otherwise or do not cover a box."""
    if filled(loop) is None:
        return [True] * len(loop.blocks)
    seen: set[Slices] = set()
    found = []
    for block in loop.blocks:
        found.append(block.write in seen)
        seen.add(block.write)
    return found


def needs(loop: Loop, body: int) -> set[bool] | None:
    """Whether a body's blocks are added (True) or written (False) where they belong, or
    both; None where a part is in pieces."""
    mine = [
        (block, again)
        for block, again in zip(loop.blocks, begun(loop), strict=True)
        if block.body == body
    ]
    if not all(in_one_piece(block.write, loop.shape) for block, _ in mine):
        return None
    return {again for _, again in mine}


def is_plain(step: Matmul) -> bool:
    """Whether a product is one of a batch, with no side of one position."""
    return len(step.shape) == 3 and min(step.shape[-2:]) > 1
