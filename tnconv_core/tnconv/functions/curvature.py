"""Kronecker factors of a convolution's curvature, arrays in and arrays out."""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.curvature import Approximation, Normalization
from tnconv.networks.geometry import Padding, PaddingMode

KFAC_INPUT_FACTOR = operation(
    networks.kfac_input_factor,
    ("x",),
    ("kernel_size", "approximation", "normalization", *HYPER),
)


def kfac_input_factor(
    x: Any,
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "batch",
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the Kronecker factor of a convolution's input: its unfolded input, squared.

    With ``a[n, o]`` the unfolded input of one example at one output position, "expand"
    (KFC) is the sum over ``n`` and ``o`` of ``a a^H``, and "reduce" sums ``a`` over
    ``o`` before it is squared.

    Args:
        x: ([batch,] in_channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        approximation: "expand" or "reduce".
        normalization: "batch" divides by the batch size B, for "reduce" by B times the
            squared number of output positions; "position" divides "expand" by both B
            and that number; "none" does not divide. Integers are rounded down.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (groups, c * prod(kernel_size), c * prod(kernel_size)) where ``c`` is
        in_channels/groups, outermost; Hermitian, one block for each group.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024; "expand" is
    Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for convolution
    layers*, ICML 2016, "reduce" Eschenhagen et al., *Kronecker-factored approximate
    curvature for modern neural network architectures*, NeurIPS 2023.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> kfac_input_factor(x, 2)
    array([[[ 5.,  8.],
            [ 8., 13.]]])
    >>> kfac_input_factor(x, 2, approximation="reduce")
    array([[[2.25, 3.75],
            [3.75, 6.25]]])
    """
    arguments = hyper(kernel_size, approximation, normalization)
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(KFAC_INPUT_FACTOR, (x,), arguments)
