"""Fresh memory for results: large tensors on Linux's CPU ask for huge pages.

A result of tens of MiB is memory that the system hands out page by page while it is
first written, which takes longer than most products that write it. In pages of 2 MiB
there are few of them. NumPy asks for them by itself, PyTorch does not.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from math import prod
from typing import Any

import torch

from tnconv.execution.program import Shape, Slices
from tnconv.execution.ways import around

Tensor = Any

#: bytes from which huge pages are asked for
LARGE = 4 << 20


def fresh(like: Tensor, shape: Shape) -> Tensor:
    """Memory that holds nothing yet, for a tensor as ``like`` is."""
    return advised(like.new_empty(shape))


def duplicate(x: Tensor) -> Tensor:
    """A copy in order of memory."""
    if x.nbytes >= LARGE:
        return fresh(x, x.shape).copy_(x)
    return x.clone(memory_format=torch.contiguous_format)


def zeroing(box: Slices | None, shape: Shape) -> Callable[[Tensor], None]:
    """Zeros for all of a tensor but a box that will be written."""
    edges: list[tuple[slice, ...]] = [()] if box is None else around(box, shape)

    def clear(tensor: Tensor) -> None:
        for edge in edges:
            tensor[edge].zero_()

    return clear


def into_fresh(
    call: Callable[..., Tensor], shape: Shape, itemsize: int
) -> Callable[..., Tensor]:
    """A function of PyTorch that writes its result, of this shape, to fresh memory."""
    if prod(shape) * itemsize < LARGE:
        return call
    return lambda a, b: call(a, b, out=fresh(a, shape))


def _madvise() -> Callable[[int, int, int], int] | None:
    """The call of the C library; None where there is no such thing."""
    if sys.platform != "linux" or not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    found = ctypes.CDLL(None).madvise
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return found


_MADVISE = _madvise()


def advised(tensor: Tensor) -> Tensor:
    """The tensor, not written yet; a plain one on the CPU in huge pages if possible."""
    plain = type(tensor) is torch.Tensor and tensor.is_cpu
    if _MADVISE is not None and plain and tensor.nbytes >= LARGE:
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        length = tensor.data_ptr() + tensor.nbytes - start
        _MADVISE(start, length - length % mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
    return tensor
