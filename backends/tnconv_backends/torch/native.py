"""PyTorch's own convolutions, one call each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tnconv.execution.program import Native, Shape
from tnconv_backends.kernels import Kernel

Tensor = Any

FORWARD: dict[int, Any] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TRANSPOSED: dict[int, Any] = {
    1: torch.conv_transpose1d,
    2: torch.conv_transpose2d,
    3: torch.conv_transpose3d,
}
ONLY_WEIGHT = [False, True, False]


def bind_native(step: Native, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """The convolution, its transpose, or its weight gradient."""
    how = step.convolution
    dims = len(how.kernel)
    stride, padding = list(how.stride), list(how.padding)
    dilation, groups = list(how.dilation), how.groups
    if how.role == "forward":
        conv = FORWARD[dims]
        return lambda x, w: conv(x, w, None, stride, padding, dilation, groups)
    if how.role == "transposed":
        transposed, more = TRANSPOSED[dims], list(how.output_padding)
        return lambda x, w: transposed(
            x, w, None, stride, padding, more, groups, dilation
        )
    backward, zeros = torch.ops.aten.convolution_backward.default, [0] * dims

    def weight(x: Tensor, v: Tensor) -> Tensor:
        like = x.new_empty(()).expand(step.shape)  # only its shape is read
        return backward(
            v, x, like, None, stride, padding, dilation, False, zeros, groups,
            ONLY_WEIGHT,
        )[1]  # fmt: skip

    return weight
