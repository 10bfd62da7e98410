"""Slices of one axis, joined or added up: index maps on the Array API standard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tnconv.execution.program import Gather, Shape

if TYPE_CHECKING:
    from tnconv_backends.kernels import Kernels

Array = Any


def embedded(
    kernels: Kernels, x: Array, write: Sequence[tuple[int, int]], shape: Shape
) -> Array:
    """Zeros of ``shape`` with ``x`` where ``write`` says."""
    xp = kernels.xp
    for axis, ((start, stop), size) in enumerate(zip(write, shape, strict=True)):
        before, after = (
            kernels.zeros((*x.shape[:axis], width, *x.shape[axis + 1 :]))
            for width in (start, size - stop)
        )
        parts = [part for part in (before, x, after) if part.shape[axis]]
        x = xp.concat(parts, axis=axis) if len(parts) > 1 else x
    return x


def read_pieces(kernels: Kernels, x: Array, step: Gather) -> Array:
    """Read one axis through the pieces of an index map."""
    xp, axis = kernels.xp, step.axis
    x = xp.moveaxis(x, axis, -1)
    parts = []
    for piece in step.map.pieces:
        if piece.step == 0:
            part = x[..., piece.start : piece.start + 1]
            parts.append(xp.broadcast_to(part, (*x.shape[:-1], piece.length)))
            continue
        first = min(piece.start, piece.start + piece.step * (piece.length - 1))
        part = x[..., first : first + piece.length]
        parts.append(xp.flip(part, axis=-1) if piece.step < 0 else part)
    empty = kernels.zeros((*x.shape[:-1], 0))
    joined = xp.concat(parts, axis=-1) if parts else empty
    return xp.moveaxis(joined, -1, axis)


def add_pieces(kernels: Kernels, x: Array, step: Gather) -> Array:
    """The transpose of :func:`read_pieces`."""
    xp, axis, size = kernels.xp, step.axis, step.map.input
    x = xp.moveaxis(x, axis, -1)
    total, at = kernels.zeros((*x.shape[:-1], size)), 0
    for piece in step.map.pieces:
        part = x[..., at : at + piece.length]
        at += piece.length
        if piece.step == 0:
            part = xp.sum(part, axis=-1, keepdims=True, dtype=kernels.dtype)
        first = min(piece.start, piece.start + piece.step * (piece.length - 1))
        part = xp.flip(part, axis=-1) if piece.step < 0 else part
        write = ((0, n) for n in x.shape[:-1])
        end = first + part.shape[-1]
        shape = (*x.shape[:-1], size)
        total = total + embedded(kernels, part, (*write, (first, end)), shape)
    return xp.moveaxis(total, -1, axis)
