"""NumPy: strided views for windows and diagonals, einsum without a temporary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
from numpy.lib.stride_tricks import as_strided

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.program import (
    Add,
    AddInto,
    AxisMap,
    Gram,
    Loop,
    Matmul,
    MultiplySum,
    Pad,
    Scale,
    Shape,
    View,
)
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.kernels import Kernel, Kernels, scaled_gram, scaled_product
from tnconv_backends.strided import strided, turns

Array = Any


#: NumPy makes a triangle and mirrors it wherever an array meets its own transpose.
#: With fewer terms in each sum, and at least so many rows, the mirror costs more than
#: it saves (measured for float32 and OpenBLAS: 4608 rows of 49, 62 ms against 15 ms).
WORTH_A_TRIANGLE = 256
MIRRORED = 128


class NumPyKernels(Kernels):
    """The reference kernels, with NumPy's own where it has better ones."""

    def pad(self, step: Pad, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        reads, writes, whole = [], [], True
        for (start, stop), (low, high) in zip(step.window, step.valid, strict=True):
            first = max(start, low)
            last = max(first, min(stop, high))
            reads.append(slice(first, last))
            writes.append(slice(first - start, last - start))
            whole = whole and (start, stop) == (first, last)
        source, target = tuple(reads), tuple(writes)
        if any(r.stop <= r.start for r in reads):
            return lambda x: np.zeros(step.shape, x.dtype)

        def run(x: Array) -> Array:
            found = np.zeros(step.shape, x.dtype)
            found[target] = x[source]
            return found

        return run

    def view(self, step: View, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        dims, shape, copy = step.dims, step.shape, step.copy
        fused = dims != shape

        def run(x: Array) -> Array:
            if not x.size:
                return np.zeros(shape, x.dtype)
            found = _window(x, step.maps, dims)
            if copy:
                found = found.copy()  # never the argument itself
            return found.reshape(shape) if fused else found

        return run

    def add_into(
        self, step: AddInto, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        parts = list(turns(step, shapes[0]))
        fresh = len(shapes) == 1

        def run(x: Array, total: Array | None = None) -> Array:
            if total is None:
                found = np.zeros(step.shape, x.dtype)
            else:
                found = total if overwrite else total.copy()
            if not x.size:
                return found
            for index, maps in parts:
                part = x[index]
                target = _window(found, maps, part.shape)
                _accumulate(target, part, fresh and step.injective)
            return found

        return run

    def matmul(self, step: Matmul, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """NumPy's own; in two parts where it would make a triangle for too little."""
        rows, inner, columns = *shapes[0][-2:], shapes[1][-1]
        if rows != columns or rows < MIRRORED or not 0 < inner < WORTH_A_TRIANGLE:
            return super().matmul(step, shapes, overwrite)
        middle = rows // 2

        def product(a: Array, b: Array) -> Array:
            if not np.may_share_memory(a, b):
                return np.matmul(a, b)
            found = np.empty(step.shape, a.dtype)
            np.matmul(a[..., :middle, :], b, out=found[..., :middle, :])
            np.matmul(a[..., middle:, :], b, out=found[..., middle:, :])
            return found

        return scaled_product(product, step, shapes)

    def gram(self, step: Gram, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """NumPy knows an array times its own transpose: BLAS ``syrk``, mirrored."""
        if not shapes[0][-1]:
            return lambda a: np.zeros(step.shape, a.dtype)

        def product(a: Array) -> Array:
            return np.matmul(a, a.swapaxes(-1, -2))

        return scaled_gram(product, step, shapes)

    def multiply_sum(
        self, step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        left, right, out = list(step.left), list(step.right), list(step.out)
        return lambda a, b: np.einsum(a, left, b, right, out)

    def add(self, step: Add, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        if overwrite:
            return lambda a, b: np.add(a, b, out=a)
        return np.add

    def scale(self, step: Scale, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        if (
            overwrite
            and step.shape
            and self.xp.isdtype(self.dtype, ("real floating", "complex floating"))
        ):
            factor = step.numerator / step.denominator
            return lambda x: np.multiply(x, factor, out=x)
        return super().scale(step, shapes, overwrite)

    def loop(self, step: Loop, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        bodies = [self.bind_program(body) for body in step.bodies]
        cuts = [
            [tuple(slice(a, b) for a, b in cut) for cut in (*block.reads, block.write)]
            for block in step.blocks
        ]

        def run(*sources: Array) -> Array:
            total = np.zeros(step.shape, self.dtype)
            for block, (*reads, write) in zip(step.blocks, cuts, strict=True):
                parts = [x[cut] for x, cut in zip(sources, reads, strict=True)]
                total[write] += bodies[block.body](parts)
            return total

        return run


def _accumulate(target: Array, part: Array, assign: bool) -> None:
    """Add into a view; dimensions the view does not move along are summed first."""
    still = tuple(
        d
        for d, (by, n) in enumerate(zip(target.strides, part.shape, strict=True))
        if not by and n > 1
    )
    if still:
        part = part.sum(axis=still, keepdims=True, dtype=part.dtype)
        target = target[
            tuple(
                slice(0, 1) if d in still else slice(None) for d in range(target.ndim)
            )
        ]
    if assign:
        target[...] = part
    else:
        target += part


def _window(x: Array, maps: Sequence[AxisMap], dims: Shape) -> Array:
    """The strided view of ``x`` that the maps describe; all positions are in range."""
    _, strides = strided(maps, x.strides, len(dims))
    start = x[tuple([slice(axis.offset, axis.offset + 1) for axis in maps])]
    return as_strided(start, dims, strides)


class NumPyBackend(ArrayAPIBackend):
    """Arrays of NumPy."""

    name = "numpy"
    windows = True
    in_place = True
    kernels = NumPyKernels

    def accepts(self, kind: type) -> bool:
        """NumPy's arrays, subclasses included."""
        return issubclass(kind, np.ndarray)

    def place(self, array: Array) -> Place:
        """NumPy has one device."""
        dtype = array.dtype
        if dtype.kind not in "iufc":
            raise ArrayError(f"dtype {dtype.name} is not a number to multiply and add")
        return Place("numpy", compat_numpy, dtype.name, "cpu")
