"""PyTorch's own convolutions, one call each."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from math import prod
from typing import Any

import torch

from tnconv.execution.program import Convolution, Native, Shape
from tnconv_backends.kernels import Kernel

Tensor = Any

FORWARD: dict[int, Any] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
ONLY_INPUT = [True, False, False]
ONLY_WEIGHT = [False, True, False]


def bind_native(step: Native, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """The convolution, its transpose, or its weight gradient."""
    how = step.convolution
    dims = len(how.kernel)
    if how.role == "forward":
        return partial(FORWARD[dims], **_spoken(how))
    stride, padding = list(how.stride), list(how.padding)
    dilation, groups = list(how.dilation), how.groups
    backward, zeros = torch.ops.aten.convolution_backward.default, [0] * dims
    if how.role == "transposed":  # the input gradient: no slower, on 1x1 much faster

        def transposed(x: Tensor, w: Tensor) -> Tensor:
            like = unread(x, step.shape)
            return backward(
                x, like, w, None, stride, padding, dilation, False, zeros, groups,
                ONLY_INPUT,
            )[0]  # fmt: skip

        return transposed

    def weight(x: Tensor, v: Tensor) -> Tensor:
        like = unread(x, step.shape)
        return backward(
            v, x, like, None, stride, padding, dilation, False, zeros, groups,
            ONLY_WEIGHT,
        )[1]  # fmt: skip

    return weight


def unread(x: Tensor, shape: Shape) -> Tensor:
    """What PyTorch's backward is given for an operand of which it reads the shape only
    (an expanded one is slower).

    On the CPU these are addresses that nothing lies at: an allocated one would take the
    warm block that the last result left, and the next result a cold one.
    """
    if type(x) is torch.Tensor and x.is_cpu:
        return _addresses(shape, x.dtype)
    return x.new_empty(shape)


@lru_cache(maxsize=256)
def _addresses(shape: Shape, dtype: torch.dtype) -> Tensor:
    """A tensor on pages that are never touched, so that they hold no memory."""
    count = prod(shape)
    nbytes = max(1, count * dtype.itemsize)
    pages = _pages((nbytes - 1).bit_length())
    with torch.inference_mode(False):  # it serves all later calls
        every = torch.frombuffer(pages, dtype=dtype, count=max(1, count))
        return every[:count].view(shape)


@cache
def _pages(bits: int) -> mmap.mmap:
    """Addresses of two to that power of bytes, which all tensors of about that size
    share: together no more than four times what the largest needs."""
    return mmap.mmap(-1, 1 << max(bits, 12))


def _spoken(how: Convolution) -> dict[str, Any]:
    """What differs from PyTorch's defaults, as ints where it can be: parsed faster."""
    given = {
        "stride": (how.stride, 1),
        "padding": (how.padding, 0),
        "dilation": (how.dilation, 1),
        "groups": ((how.groups,), 1),
    }
    return {
        name: values[0] if len(set(values)) == 1 else values
        for name, (values, default) in given.items()
        if set(values) != {default}
    }
