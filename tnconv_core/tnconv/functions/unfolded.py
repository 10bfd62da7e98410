"""Unfolded inputs, arrays in and arrays out: Kronecker factors before squaring."""

from __future__ import annotations

from typing import Any

from tnconv.functions.arguments import HYPER, TRANSPOSED, hyper, operation
from tnconv.functions.call import call
from tnconv.networks import unfolded
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode
from tnconv.networks.unfolded import Approximation, Grouping, Outermost

FEATURES = ("kernel_size", "approximation", "grouping", "outermost", "bias")
INPUTS = operation(unfolded.unfolded_inputs_terms, ("x",), (*FEATURES, *HYPER))
TRANSPOSE_INPUTS = operation(
    unfolded.unfolded_transpose_inputs_terms, ("x",), (*FEATURES, *TRANSPOSED)
)


def unfolded_inputs(
    x: Any,
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    grouping: Grouping = "block",
    outermost: Outermost = "channel",
    bias: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give what a convolution multiplies its weight with: its patches, or their mean.

    The input factor of Kronecker-factored curvature before it is squared:
    :func:`tnconv.kfac_input_factor` is the mean of ``a^H a`` without ever forming
    these patches.

    Args:
        x: ([batch,] in_channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        approximation: "expand" keeps the output positions, "reduce" is the mean over
            them. (The mean is found without patches.)
        grouping: "block" keeps groups; "average" takes the mean of ``x`` over groups
            first.
        outermost: what varies slowest among features, "channel" (as a weight is stored)
            or "kernel".
        bias: one more feature, the last one: the number 1.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] groups, positions, features), for "reduce" ([batch,] groups,
        features), groups being 1 for "average"; in_channels/groups * prod(kernel_size)
        features and the bias.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> unfolded_inputs(x, 2, bias=True)
    array([[[[1., 2., 1.],
             [2., 3., 1.]]]])
    >>> unfolded_inputs(x, 2, approximation="reduce")
    array([[[1.5, 2.5]]])
    """
    arguments = hyper(kernel_size, approximation, grouping, outermost)
    arguments += (bool(bias),)
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(INPUTS, (x,), arguments)


def unfolded_transpose_inputs(
    x: Any,
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    grouping: Grouping = "block",
    outermost: Outermost = "channel",
    bias: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give what a transposed convolution multiplies its weight with.

    Args:
        x: ([batch,] in_channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        approximation, grouping, outermost, bias: as for
            :func:`tnconv.unfolded_inputs`.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        As :func:`tnconv.unfolded_inputs`; positions are those of the layer's output.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> unfolded_transpose_inputs(np.array([[[1.0, 2.0]]]), 2)
    array([[[[1., 0.],
             [2., 1.],
             [0., 2.]]]])
    """
    arguments = hyper(kernel_size, approximation, grouping, outermost)
    arguments += (bool(bias),)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(TRANSPOSE_INPUTS, (x,), arguments)
