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
    MultiplySum,
    Scale,
    Shape,
)
from tnconv.execution.ways import product_of
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.kernels import Kernel
from tnconv_backends.multiply import dot_products, in_turns
from tnconv_backends.strided_kernels import StridedKernels

Array = Any


class NumPyKernels(StridedKernels):
    """The kernels of strided libraries, with NumPy's own where it has better ones."""

    library = np
    as_strided = staticmethod(as_strided)

    def multiply_sum(
        self, step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        job = product_of(step, shapes)
        if job.dots:
            return dot_products(np, step, job)
        if job.turns:
            return in_turns(np, step, job)
        return super().multiply_sum(step, shapes, overwrite)

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
