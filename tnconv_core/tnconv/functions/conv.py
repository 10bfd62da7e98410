"""The convolution of arrays."""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

CONV = operation(networks.conv, ("x", "weight"), HYPER)


def conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Convolve ``x`` with ``weight`` (cross-correlation: the kernel is not flipped).

    Any number of spatial axes: it is the weight's rank less two.

    Args:
        x: ([batch,] in_channels, *input_size); the batch may be left out.
        weight: (out_channels, in_channels/groups, *kernel_size).
        bias: (out_channels,), or None.
        stride: step of the kernel, an int or one per spatial axis.
        padding: an int, one per axis, (low, high) pairs (negative numbers in pairs crop
            the input), ``"valid"`` (none) or ``"same"`` (stride 1 only; of an odd total
            the high end gets the larger half, as in PyTorch).
        dilation: distance of kernel taps, an int or one per spatial axis.
        groups: number of blocks the channels fall into; in_channels for depthwise.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.

    Returns:
        ([batch,] out_channels, *output_size), an array of the library of ``x``, where
        output_size is (input + low + high - dilation*(kernel - 1) - 1) // stride + 1.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> conv(x, np.array([[[1.0, 10.0]]]), padding=((1, 0),))
    array([[[10., 21., 32., 43.]]])
    """
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
    return call(CONV, (x, weight), arguments, bias=bias)
