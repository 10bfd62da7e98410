"""Gram matrices of a layer's gradients, arrays in and arrays out.

One of the two copies is conjugated. They are formed without the gradients where that is
cheaper.
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

GRAM = operation(networks.gram, ("x", "sqrt_curvature"), ("kernel_size", *HYPER))
JACOBIAN_GRAM = operation(
    networks.jacobian_gram, ("x",), ("out_channels", "kernel_size", *HYPER)
)


def gram(
    x: Any,
    sqrt_curvature: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the Gram matrix of the GGN: the empirical neural tangent kernel's shape.

    With one ``v`` and gradients for ``sqrt_curvature`` its entries are the inner
    products of per-example gradients; with unit vectors of the network's outputs,
    pulled back, the sum of such matrices over all layers is the empirical neural
    tangent kernel. Its eigenvalues are the non-zero ones of :func:`tnconv.ggn_block`.
    Gradients are formed only where that is cheaper.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (v * batch, v * batch), ``v`` outermost, (v, v) without a batch; Hermitian. A
        row belongs to one ``sqrt_curvature[v, n]``.

    Raises:
        ArgumentError: sizes do not fit; sqrt_curvature is not shaped like outputs.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024; Novak et al., *Fast
    finite width neural tangent kernel*, ICML 2022.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0]]])
    >>> gram(x, np.ones((1, 2, 1, 2)), 2)
    array([[34.,  3.],
           [ 3.,  1.]])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(GRAM, (x, sqrt_curvature), arguments)


def jacobian_gram(
    x: Any,
    out_channels: int,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the weight Jacobian times its adjoint: the layer's own tangent kernel.

    Args:
        x: ([batch,] in_channels, *input_size).
        out_channels: number of output channels, all groups together.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (r, r), with r the number of entries of the output, the batch included;
        Hermitian, zero between different output channels.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> jacobian_gram(np.array([[[1.0, 2.0, 3.0]]]), 1, 2)
    array([[ 5.,  8.],
           [ 8., 13.]])
    """
    arguments = hyper(
        out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
    )
    return call(JACOBIAN_GRAM, (x,), arguments)
