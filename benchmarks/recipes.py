"""What a NumPy or CuPy user writes by hand: the recipes that tnconv is compared with.

*Windows*: ``sliding_window_view`` and ``tensordot``, or ``einsum`` where there are
groups. *Offsets*: a loop over kernel positions, a product of strided slices for each.

Every function takes a :class:`~benchmarks.cases.Case` on NumPy or CuPy arrays (NumPy's
functions hand the latter on to CuPy's) and returns the result; arrays are (batch,
channels, *sizes), the weight (d, c/groups, *kernel_size).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.cases import Case
from benchmarks.layers import Layer

Array = Any


def padded(array: Array, ends: tuple[tuple[int, int], ...]) -> Array:
    """The array with zeros around its spatial axes, itself where there are none."""
    if not any(map(any, ends)):
        return array
    sizes = [n + sum(pair) for n, pair in zip(array.shape[2:], ends, strict=True)]
    out = np.zeros((*array.shape[:2], *sizes), array.dtype, like=array)
    inside = zip(array.shape[2:], ends, strict=True)
    out[(..., *(slice(low, low + n) for n, (low, _) in inside))] = array
    return out


def grouped(array: Array, groups: int, axis: int) -> Array:
    """A channel axis as (groups, channels of one group)."""
    shape = array.shape
    inner = (groups, shape[axis] // groups)
    return array.reshape(*shape[:axis], *inner, *shape[axis + 1 :])


# ---- windows


def windows(wide: Array, layer: Layer) -> Array:
    """A view (batch, groups, c/groups, *narrow sizes, *kernel_size)."""
    spans = [
        d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)
    ]
    axes = tuple(range(2, 2 + layer.dims))
    view = sliding_window_view(padded(wide, layer.reach), spans, axes)
    steps = [slice(None, None, step) for step in (*layer.stride, *layer.dilation)]
    view = view[(slice(None), slice(None), *steps)]
    view = view[(slice(None), slice(None), *map(slice, layer.narrow[1]))]
    return grouped(view, layer.groups, 1)


def window_narrow(case: Case) -> Array:
    """The convolution."""
    layer, view = case.layer, windows(case.wide, case.layer)
    if layer.groups == 1:
        kernel = tuple(range(-layer.dims, 0))
        out = np.tensordot(view[:, 0], case.weight, ((1, *kernel), (1, *kernel)))
        return np.moveaxis(out, -1, 1)
    weight = grouped(case.weight, layer.groups, 0)
    o, k = "xyz"[: layer.dims], "uvw"[: layer.dims]
    out = np.einsum(f"ngc{o}{k},gdc{k}->ngd{o}", view, weight, optimize=True)
    return out.reshape(case.result_shape)


def window_wide(case: Case) -> Array:
    """The transpose: a stride-1 convolution of the cotangent, spread out with zeros."""
    layer, axes = case.layer, tuple(range(2, 2 + case.layer.dims))
    canvas = spread(case.narrow, layer)
    spans = [
        n - size + 1 for n, size in zip(canvas.shape[2:], layer.wide[1], strict=True)
    ]
    view = sliding_window_view(canvas, spans, axes)
    view = view[(..., *(slice(None, None, d) for d in layer.dilation))]
    weight = np.flip(case.weight, axes)
    if layer.groups == 1:
        kernel = tuple(range(-layer.dims, 0))
        out = np.tensordot(view, weight, ((1, *kernel), (0, *kernel)))
        return np.moveaxis(out, -1, 1)
    view, weight = (grouped(a, layer.groups, n) for a, n in ((view, 1), (weight, 0)))
    i, k = "pqr"[: layer.dims], "uvw"[: layer.dims]
    out = np.einsum(f"ngd{i}{k},gdc{k}->ngc{i}", view, weight, optimize=True)
    return out.reshape(case.result_shape)


def spread(narrow: Array, layer: Layer) -> Array:
    """The cotangent at its stride, between zeros: one window for each wide position."""
    sizes, inside, read = [], [], []
    for axis, (size, count) in enumerate(
        zip(layer.wide[1], narrow.shape[2:], strict=True)
    ):
        stride, low = layer.stride[axis], layer.low[axis]
        reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        start, margin = max(0, reach - low), max(0, low - reach)
        stop = start + stride * (count - 1) + 1
        sizes.append(max(stop, margin + size + reach))
        inside.append(slice(start, stop, stride))
        read.append(slice(margin, margin + size + reach))
    canvas = np.zeros((*narrow.shape[:2], *sizes), narrow.dtype, like=narrow)
    canvas[(..., *inside)] = narrow
    return canvas[(..., *read)]


def window_weight(case: Case) -> Array:
    """The weight's gradient, of each example where the kind is "weights"."""
    layer, view = case.layer, windows(case.wide, case.layer)
    o, k = "xyz"[: layer.dims], "uvw"[: layer.dims]
    if case.kind == "weight" and layer.groups == 1:
        narrow = tuple(range(2, 2 + layer.dims))
        return np.tensordot(case.narrow, view[:, 0], ((0, *narrow), (0, *narrow)))
    out = f"ngdc{k}" if case.kind == "weights" else f"gdc{k}"
    v = grouped(case.narrow, layer.groups, 1)
    found = np.einsum(f"ngd{o},ngc{o}{k}->{out}", v, view, optimize=True)
    return found.reshape(case.result_shape)


def window_expand(case: Case) -> Array:
    """The unfolded input times itself."""
    layer, view = case.layer, windows(case.wide, case.layer)
    if layer.groups == 1:
        axes = (0, *range(2, 2 + layer.dims))
        found = np.tensordot(view[:, 0], view[:, 0], (axes, axes))
        return found.reshape(case.result_shape) / np.float32(case.batch)
    order = (1, 2, *range(3 + layer.dims, 3 + 2 * layer.dims), 0)
    flat = view.transpose(*order, *range(3, 3 + layer.dims))
    flat = flat.reshape(layer.groups, case.result_shape[1], -1)
    return flat @ flat.transpose(0, 2, 1) / np.float32(case.batch)


def window_reduce(case: Case) -> Array:
    """The mean of the windows times itself."""
    layer = case.layer
    view = windows(case.wide, layer)
    mean = view.mean(axis=tuple(range(3, 3 + layer.dims)))
    flat = mean.reshape(case.batch, layer.groups, -1)
    return np.einsum("nga,ngb->gab", flat, flat, optimize=True) / np.float32(case.batch)


WINDOWS = {
    "narrow": window_narrow,
    "wide": window_wide,
    "weight": window_weight,
    "weights": window_weight,
    "expand": window_expand,
    "reduce": window_reduce,
}


# ---- offsets


def slices(layer: Layer) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Every kernel position, and where the padded array is read for it."""
    for position in product(*map(range, layer.kernel_size)):
        starts = [d * k for d, k in zip(layer.dilation, position, strict=True)]
        where = zip(starts, layer.stride, layer.narrow[1], strict=True)
        yield position, (..., *(slice(a, a + s * (n - 1) + 1, s) for a, s, n in where))


def flat(array: Array, groups: int) -> Array:
    """(batch, groups, channels of one group, positions), in contiguous memory."""
    shape = array.shape
    return array.reshape(shape[0], groups, shape[1] // groups, -1)


def offset_narrow(case: Case) -> Array:
    """The convolution, a product added for each kernel position."""
    layer, source = case.layer, padded(case.wide, case.layer.reach)
    weight = grouped(case.weight, layer.groups, 0)
    out = 0
    for position, where in slices(layer):
        out += weight[(..., *position)] @ flat(source[where], layer.groups)
    return out.reshape(case.result_shape)


def offset_wide(case: Case) -> Array:
    """The transpose: products added into slices."""
    layer, v = case.layer, flat(case.narrow, case.layer.groups)
    sizes = [n + sum(e) for n, e in zip(layer.wide[1], layer.reach, strict=True)]
    out = np.zeros((case.batch, layer.wide[0], *sizes), v.dtype, like=v)
    weight = grouped(case.weight, layer.groups, 0).swapaxes(1, 2)
    for position, where in slices(layer):
        part = out[where]
        part += (weight[(..., *position)] @ v).reshape(part.shape)
    inside = zip(layer.low, layer.wide[1], strict=True)
    return out[(..., *(slice(low, low + n) for low, n in inside))]


def offset_weight(case: Case) -> Array:
    """The weight's gradient, position by position."""
    layer, source = case.layer, padded(case.wide, case.layer.reach)
    v = flat(case.narrow, layer.groups)
    each = case.kind == "weights"
    split = (*case.result_shape[: len(case.result_shape) - layer.dims],)
    out = np.empty(case.result_shape, v.dtype, like=v)
    for position, where in slices(layer):
        found = v @ flat(source[where], layer.groups).swapaxes(2, 3)
        out[(..., *position)] = (found if each else found.sum(0)).reshape(split)
    return out


def offset_expand(case: Case) -> Array:
    """Columns filled position by position, times themselves."""
    layer, source = case.layer, padded(case.wide, case.layer.reach)
    shape = (*source.shape[:2], *layer.kernel_size, *layer.narrow[1])
    out = np.empty(shape, source.dtype, like=source)
    for position, where in slices(layer):
        out[(slice(None), slice(None), *position)] = source[where]
    columns = out.reshape(case.batch, layer.groups, case.result_shape[1], -1)
    return (columns @ columns.swapaxes(2, 3)).sum(0) / np.float32(case.batch)


def offset_reduce(case: Case) -> Array:
    """Sums of slices, times themselves."""
    layer, source = case.layer, padded(case.wide, case.layer.reach)
    out = np.empty((*source.shape[:2], *layer.kernel_size), source.dtype, like=source)
    for position, where in slices(layer):
        out[(..., *position)] = source[where].mean(tuple(range(2, 2 + layer.dims)))
    sums = out.reshape(case.batch, layer.groups, -1).swapaxes(0, 1)
    return sums.swapaxes(1, 2) @ sums / np.float32(case.batch)


OFFSETS = {
    "narrow": offset_narrow,
    "wide": offset_wide,
    "weight": offset_weight,
    "weights": offset_weight,
    "expand": offset_expand,
    "reduce": offset_reduce,
}
