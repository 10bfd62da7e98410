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
    CumulativeSum,
    Gram,
    Matmul,
    MultiplySum,
    Scale,
    Shape,
    Spectral,
    Sum,
)
from tnconv.execution.ways import product_of
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.kernels import Kernel, scaled_gram, scaled_product
from tnconv_backends.multiply import dot_products, in_turns
from tnconv_backends.spectral import bind_spectral
from tnconv_backends.strided_kernels import StridedKernels

Array = Any


#: NumPy makes a triangle and mirrors it wherever an array meets its own transpose.
#: With fewer terms in each sum, and at least so many rows, the mirror costs more than
#: it saves (measured for float32 and OpenBLAS: 4608 rows of 49, 62 ms against 15 ms).
WORTH_A_TRIANGLE = 256
MIRRORED = 128


class NumPyKernels(StridedKernels):
    """The kernels of strided libraries, with NumPy's own where it has better ones."""

    library = np
    as_strided = staticmethod(as_strided)

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

    def sum(self, step: Sum, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """A product with ones where the axis before the last is the innermost one.

        NumPy then adds up numbers that lie apart, one by one; BLAS reads whole rows
        (8 x 4 x 3961 in float32: 0.35 ms against 0.014 ms). The price stays that of a
        strided sum: floors that allow for BLAS make planning a third slower.
        """
        last = len(shapes[0]) - 1
        plain = super().sum(step, shapes, overwrite)
        if step.axes != (last,) or not last or np.dtype(self.dtype).kind not in "fc":
            return plain
        ones = np.ones(shapes[0][-1], self.dtype)
        return lambda x: np.matmul(x, ones) if _is_columns(x) else plain(x)

    def multiply_sum(
        self, step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        job = product_of(step, shapes)
        if job.dots:
            return dot_products(np, step, job)
        if job.turns:
            return in_turns(np, step, job)
        return super().multiply_sum(step, shapes, overwrite)

    def spectral(
        self, step: Spectral, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """By SciPy, two to three times as fast as NumPy on many signals at once."""
        try:
            import scipy.fft as fft
        except ImportError:
            return super().spectral(step, shapes, overwrite)
        return bind_spectral(self.xp, fft, np.matmul, step, shapes, self.dtype)

    def cumulative_sum(
        self, step: CumulativeSum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        axis, shape = step.axis, step.shape
        if not step.zero:
            return lambda x: np.cumsum(x, axis=axis, dtype=x.dtype)
        front = (slice(None),) * axis
        first, others = (*front, slice(0, 1)), (*front, slice(1, None))

        def run(x: Array) -> Array:
            found = np.empty(shape, x.dtype)
            found[first] = 0
            np.cumsum(x, axis=axis, out=found[others])
            return found

        return run

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


def _is_columns(x: Array) -> bool:
    """Whether the last two axes are a matrix column after column, as BLAS reads it."""
    size, (rows, apart) = x.itemsize, x.strides[-2:]
    return bool(rows == size and apart % size == 0 and apart >= x.shape[-2] * size)


class NumPyBackend(ArrayAPIBackend):
    """Arrays of NumPy."""

    name = "numpy"
    windows = True
    in_place = True
    kernels = NumPyKernels
    library = compat_numpy

    def accepts(self, kind: type) -> bool:
        """NumPy's arrays, subclasses included."""
        return issubclass(kind, np.ndarray)

    def place(self, array: Array) -> Place:
        """NumPy has one device."""
        dtype = array.dtype
        if dtype.kind not in "iufc":
            raise ArrayError(f"dtype {dtype.name} is not a number to multiply and add")
        return Place("numpy", compat_numpy, dtype.name, "cpu")
