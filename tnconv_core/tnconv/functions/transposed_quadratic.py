"""Quadratic curvature of a transposed convolution, arrays in and arrays out.

Each function is the twin of the one without ``conv_transpose_``; the weight is stored
as (in_channels, out_channels/groups, *kernel_size).
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import TRANSPOSED, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding

WEIGHT_VJP_SQUARED_NORM = operation(
    networks.conv_transpose_weight_vjp_squared_norm,
    (
        "x",
        "cotangent",
    ),
    ("kernel_size", *TRANSPOSED),
)
GGN_DIAGONAL = operation(
    networks.conv_transpose_ggn_diagonal,
    (
        "x",
        "sqrt_curvature",
    ),
    ("kernel_size", "per_example", *TRANSPOSED),
)
GGN_BLOCK = operation(
    networks.conv_transpose_ggn_block,
    (
        "x",
        "sqrt_curvature",
    ),
    ("kernel_size", *TRANSPOSED),
)
EKFAC_CORRECTION = operation(
    networks.conv_transpose_ekfac_correction,
    (
        "x",
        "sqrt_curvature",
        "input_basis",
        "output_basis",
    ),
    ("kernel_size", *TRANSPOSED),
)


def conv_transpose_weight_vjp_squared_norm(
    x: Any,
    cotangent: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the squared norm of every example's weight gradient.

    Gradients are formed only where that is cheaper.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (batch,), and () without a batch: the sum of the absolute squares of
        ``conv_transpose_weight_vjp(..., per_example=True)``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.conv_weight_vjp_squared_norm`.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> cotangent = np.array([[[1.0, 2.0, 3.0, 4.0]]])  # gradient: 7, 10
    >>> conv_transpose_weight_vjp_squared_norm(x, cotangent, 2, stride=2)
    array([149.])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(WEIGHT_VJP_SQUARED_NORM, (x, cotangent), arguments)


def conv_transpose_ggn_diagonal(
    x: Any,
    sqrt_curvature: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the diagonal of the generalized Gauss-Newton matrix (GGN) in the weight.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one result for each example.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (in_channels, out_channels/groups, *kernel_size), with the batch as an axis
        before it if ``per_example``; there is no other factor.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> s = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
    >>> conv_transpose_ggn_diagonal(x, s, 2, stride=2)
    array([[[ 49., 100.]]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(GGN_DIAGONAL, (x, sqrt_curvature), arguments)


def conv_transpose_ggn_block(
    x: Any,
    sqrt_curvature: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the layer's whole block of the GGN: a matrix over pairs of weight entries.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (r, r), with r the number of entries of the weight in the order of
        ``weight.reshape(-1)``; Hermitian.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose_ggn_block(x, np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), 2, stride=2)
    array([[ 49.,  70.],
           [ 70., 100.]])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(GGN_BLOCK, (x, sqrt_curvature), arguments)


def conv_transpose_ekfac_correction(
    x: Any,
    sqrt_curvature: Any,
    input_basis: Any,
    output_basis: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the GGN's diagonal in the eigenbases of its Kronecker factors (EKFAC).

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        input_basis: (groups, d * prod(kernel_size), q) with d = in_channels/groups: as
            columns, eigenvectors of :func:`tnconv.kfac_transpose_input_factor`.
        output_basis: (groups, c, p) with c = out_channels/groups, likewise.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (groups, p, q), with no other factor.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.ekfac_correction`.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> s, one = np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.ones((1, 1, 1))
    >>> conv_transpose_ekfac_correction(x, s, np.eye(2)[None], one, 2, stride=2)
    array([[[ 49., 100.]]])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(
        EKFAC_CORRECTION, (x, sqrt_curvature, input_basis, output_basis), arguments
    )
