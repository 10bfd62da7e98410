"""Reading one axis through an index map, and adding through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tnconv.execution.program import Gather, Shape
from tnconv.reindex import Piece
from tnconv_backends.kernels import Kernel

Tensor = Any


def bind_gather(step: Gather, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """Concatenated slices; transposed, slices added up (never atomics)."""
    axis, pieces = step.axis, step.map.pieces
    if not all(step.shape) or not all(shapes[0]) or not pieces:
        return lambda x: x.new_zeros(step.shape)
    if not step.transposed:
        return lambda x: torch.cat([_read(x, axis, p) for p in pieces], dim=axis)

    def run(x: Tensor) -> Tensor:
        found, at = x.new_zeros(step.shape), 0
        for piece in pieces:
            part = x.narrow(axis, at, piece.length)
            at += piece.length
            if not piece.step:
                part = part.sum(axis, keepdim=True, dtype=x.dtype)
            elif piece.step < 0:
                part = part.flip(axis)
            _span(found, axis, piece).add_(part)
        return found

    return run


def _read(x: Tensor, axis: int, piece: Piece) -> Tensor:
    part = _span(x, axis, piece)
    if not piece.step:
        return part.expand(*x.shape[:axis], piece.length, *x.shape[axis + 1 :])
    return part.flip(axis) if piece.step < 0 else part


def _span(x: Tensor, axis: int, piece: Piece) -> Tensor:
    """The positions a piece touches, in rising order, as a view."""
    last = piece.start + piece.step * (piece.length - 1)
    low, high = min(piece.start, last), max(piece.start, last)
    index = (slice(None),) * axis
    return x[(*index, slice(low, high + 1, abs(piece.step) or 1))]
