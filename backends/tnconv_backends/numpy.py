"""NumPy: strided views for windows and diagonals, einsum without a temporary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
from numpy.lib.stride_tricks import as_strided

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import (
    Add,
    AxisMap,
    CumulativeSum,
    Gram,
    Matmul,
    MultiplySum,
    Program,
    Scale,
    Shape,
    Spectral,
    Step,
    Sum,
)
from tnconv.execution.ways import as_matrix, product_of
from tnconv.planning.strides import row_major
from tnconv_backends.allocator import nothing, shown_bytes
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.kernels import Kernel
from tnconv_backends.multiply import dot_products, in_turns
from tnconv_backends.scaled import scaled_gram, scaled_product
from tnconv_backends.spectral import bind_spectral
from tnconv_backends.strided import strided
from tnconv_backends.strided_kernels import StridedKernels

Array = Any


#: NumPy makes a triangle and mirrors it wherever an array meets its own transpose.
#: With fewer terms in each sum, and at least so many rows, the mirror costs more than
#: it saves (measured for float32 and OpenBLAS: 4608 rows of 49, 62 ms against 15 ms).
WORTH_A_TRIANGLE = 256
MIRRORED = 128
#: products of so many multiply-adds run without packing, well inside the limit (10**6)
UNPACKED = 1 << 18


class NumPyKernels(StridedKernels):
    """The kernels of strided libraries, with NumPy's own where it has better ones."""

    library = np
    as_strided = staticmethod(as_strided)

    def windows(self, maps: Sequence[AxisMap], dims: Shape, shape: Shape) -> Kernel:
        """Offset and strides are worked out once, for arrays in order of memory: 0.7
        microseconds a view instead of 5."""
        size, plain = np.dtype(self.dtype).itemsize, super().windows(maps, dims, shape)
        steps = [size * by for by in row_major(shape)]
        offset, strides = strided(maps, steps, len(dims))

        def run(x: Array) -> Array:
            if not x.flags.c_contiguous:
                return plain(x)
            return np.ndarray(dims, x.dtype, x, offset, strides)

        return run

    def matmul(self, step: Matmul, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """NumPy's own; in row blocks where BLAS packs for too little (short sums), in
        two where NumPy would make a triangle for too little."""
        rows, inner, columns = *shapes[0][-2:], shapes[1][-1]
        block = unpacked_rows(rows, inner, columns)
        if block < rows:
            return scaled_product(_in_blocks(step.shape, block), step, shapes)
        if rows != columns or rows < MIRRORED or not 0 < inner < WORTH_A_TRIANGLE:
            return super().matmul(step, shapes, overwrite)
        halves = _in_blocks(step.shape, -(-rows // 2))

        def product(a: Array, b: Array) -> Array:
            shared = np.may_share_memory(a, b)
            return halves(a, b) if shared else np.matmul(a, b)

        return scaled_product(product, step, shapes)

    def landing(
        self, step: Step, shapes: Sequence[Shape], added: bool
    ) -> Kernel | None:
        """Not of products that are made in blocks of rows."""
        if isinstance(step, Matmul):
            rows, inner, columns = *shapes[0][-2:], shapes[1][-1]
            triangle = rows == columns and rows >= MIRRORED
            if unpacked_rows(rows, inner, columns) < rows or triangle:
                return None
        return super().landing(step, shapes, added)

    def gram(self, step: Gram, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """NumPy knows an array times its own transpose: BLAS ``syrk``, mirrored."""
        if not shapes[0][-1]:
            return lambda a: np.zeros(step.shape, a.dtype)

        def product(a: Array) -> Array:
            return np.matmul(a, a.swapaxes(-1, -2))

        return scaled_gram(product, step, shapes)

    def sum(self, step: Sum, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """A product with ones where BLAS can read the array as a matrix, else einsum.

        NumPy adds up short rows, and numbers that lie apart, one by one; BLAS reads
        as fast as memory gives (26880 rows of 35 in float32: 0.62 ms against 0.07),
        and einsum is a few times faster at least (sums of 9 neighbors: 0.55 against
        2 elements a nanosecond).
        """
        plain, shape, axes = super().sum(step, shapes, overwrite), shapes[0], step.axes
        if np.dtype(self.dtype).kind not in "fc":
            return plain
        dims = list(range(len(shape)))
        kept = [d for d in dims if d not in axes]
        ones = np.ones(prod(shape[axis] for axis in axes), self.dtype)

        def run(x: Array) -> Array:
            size = x.itemsize
            found = as_matrix(shape, [by // size for by in x.strides], axes)
            if found is None:
                return np.einsum(x, dims, kept)
            rows, columns, far, step_ = found
            matrix = as_strided(x, (rows, columns), (far * size, step_ * size))
            return np.matmul(matrix, ones).reshape(step.shape)

        return run

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


def unpacked_rows(rows: int, inner: int, columns: int) -> int:
    """The rows of a product of short sums that OpenBLAS multiplies at a time without
    packing them first; all of them where that is no gain.

    Measured for float32 and sums of 8: 1152 x 1152 in 0.33 ms, 0.42 at once.
    """
    block = UNPACKED // max(1, inner * columns)
    short = inner <= 16 and rows * inner * columns > 4 * UNPACKED
    return min(rows, block) if short and block >= 16 else rows


def _in_blocks(shape: Shape, block: int) -> Kernel:
    """A product, some rows at a time."""
    parts = [
        (..., slice(j, j + block), slice(None)) for j in range(0, shape[-2], block)
    ]

    def product(a: Array, b: Array) -> Array:
        found = np.empty(shape, a.dtype)
        for part in parts:
            np.matmul(a[part], b, out=found[part])
        return found

    return product


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

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """As any library; the allocator is shown what the program will hold."""
        itemsize = np.dtype(place.dtype).itemsize
        np.empty(shown_bytes(program, itemsize, nothing), np.uint8)
        return super().compile(program, place, crew)
