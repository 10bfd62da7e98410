"""Padding, reading and adding through affine maps: ``as_strided`` on real strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tnconv.execution.program import AddInto, AxisMap, Pad, Shape, View
from tnconv.execution.ways import filled
from tnconv_backends.kernels import Kernel
from tnconv_backends.strided import turns
from tnconv_backends.torch.pages import duplicate, fresh, zeroing
from tnconv_backends.torch.strides import fused, is_whole, reading, row_major

Tensor = Any


def bind_pad(step: Pad, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """One call where every edge is only cropped or only padded, else a crop before."""
    crops: list[tuple[int, int, int]] = []
    pads: list[int] = []
    for axis, ((start, stop), (low, high)) in enumerate(
        zip(step.window, step.valid, strict=True)
    ):
        first, last = max(start, low), min(stop, high)
        if last <= first:
            return lambda x: x.new_zeros(step.shape)
        if (first, last) != (0, shapes[0][axis]):
            crops.append((axis, first, last - first))
        pads = [first - start, stop - last, *pads]
    if not any(pads):
        return lambda x: duplicate(_crop(x, crops))
    pad = torch.constant_pad_nd
    if crops:
        return lambda x: pad(_crop(x, crops), pads, 0)
    return lambda x: pad(x, pads, 0)


def _crop(x: Tensor, crops: Sequence[tuple[int, int, int]]) -> Tensor:
    for axis, first, length in crops:
        x = x.narrow(axis, first, length)
    return x


def bind_view(step: View, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """A strided view, then fused; memory that is read whole is only reshaped."""
    maps, dims, shape = step.maps, step.dims, step.shape
    if not all(shape) or not all(dims):
        return lambda x: x.new_zeros(shape)
    usual = row_major(shapes[0])
    known = reading(maps, usual, dims)
    if is_whole(known, shapes[0]):
        return _bind_reshape(step, shapes[0])
    best = (None if step.copy else fused(known, shape)) or known
    done = not (step.copy or best.flips) and best.shape == shape

    def run(x: Tensor) -> Tensor:
        like = best if x.stride() == usual else reading(maps, x.stride(), dims)
        found = x.as_strided(like.shape, like.strides, x.storage_offset() + like.offset)
        if done and like is best:
            return found
        if like.flips:
            found = found.flip(like.flips)
        if step.copy:
            found = duplicate(found)
        return found.reshape(shape)

    return run


def is_identity(step: View, source: Shape) -> bool:
    """Whether the view is the array itself."""
    if step.copy or step.shape != source or not all(step.dims):
        return False
    return is_whole(reading(step.maps, row_major(source), step.dims), source)


def _bind_reshape(step: View, source: Shape) -> Kernel:
    shape = step.shape
    if step.copy:
        return lambda x: duplicate(x).view(shape)
    if shape == source:
        return lambda x: x
    return lambda x: x.reshape(shape)


def bind_add_into(step: AddInto, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """Zeros (or the total), and one strided add for each turn that never collides."""
    source, begin = shapes[0], len(shapes) == 1
    empty = not all(source) or not all(step.shape)
    parts = [] if empty else [_turn(source, *turn) for turn in turns(step, source)]
    assign = begin and step.injective
    clear = zeroing(filled(step, source) if assign else None, step.shape)

    def run(x: Tensor, total: Tensor | None = None) -> Tensor:
        if total is None:
            found = fresh(x, step.shape)
            clear(found)
        else:
            found = total if overwrite else total.clone()
        for index, still, dims, maps in parts:
            part = x if index is None else x[index]
            if still:
                part = part.sum(dim=still, dtype=x.dtype)
            target = reading(maps, found.stride(), dims)
            part = part.flip(target.flips) if target.flips else part
            if assign:
                target.of(found).copy_(part)
            else:
                target.of(found).add_(part)
        return found

    return run


def _turn(
    source: Shape, index: tuple[int | slice, ...], maps: tuple[AxisMap, ...]
) -> tuple[Any, tuple[int, ...], Shape, tuple[AxisMap, ...]]:
    """Which slice, which dimensions to sum as they do not move, and where it goes."""
    whole = all(isinstance(at, slice) for at in index)
    dims = [n for n, at in zip(source, index, strict=True) if isinstance(at, slice)]
    still = tuple(
        d
        for d, n in enumerate(dims)
        if n > 1 and not any(axis.steps[d] for axis in maps)
    )
    kept = [d for d in range(len(dims)) if d not in still]
    moving = tuple(
        AxisMap(axis.offset, tuple(axis.steps[d] for d in kept)) for axis in maps
    )
    return None if whole else index, still, tuple(dims[d] for d in kept), moving
