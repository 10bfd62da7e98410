"""Gram matrices and products of a transposed convolution, arrays in, arrays out.

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

GRAM = operation(
    networks.conv_transpose_gram,
    (
        "x",
        "sqrt_curvature",
    ),
    ("kernel_size", *TRANSPOSED),
)
JACOBIAN_GRAM = operation(
    networks.conv_transpose_jacobian_gram,
    ("x",),
    ("out_channels", "kernel_size", *TRANSPOSED),
)
GGN_PRODUCT = operation(
    networks.conv_transpose_ggn_product,
    (
        "x",
        "sqrt_curvature",
        "vector",
    ),
    ("kernel_size", *TRANSPOSED),
)
GRAM_PRODUCT = operation(
    networks.conv_transpose_gram_product,
    (
        "x",
        "sqrt_curvature",
        "vector",
    ),
    ("kernel_size", *TRANSPOSED),
)
KFAC_PRODUCT = operation(
    networks.conv_transpose_kfac_product,
    (
        "input_factor",
        "output_factor",
        "vector",
    ),
    (),
)


def conv_transpose_gram(
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
    """Give the Gram matrix of the GGN: inner products of per-example gradients.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (v * batch, v * batch), ``v`` outermost, (v, v) without a batch; Hermitian.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose_gram(x, np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), 2, stride=2)
    array([[149.]])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(GRAM, (x, sqrt_curvature), arguments)


def conv_transpose_jacobian_gram(
    x: Any,
    out_channels: int,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the weight Jacobian times its adjoint: the layer's own tangent kernel.

    Args:
        x: ([batch,] in_channels, *input_size).
        out_channels: number of output channels, all groups together.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (r, r), with r the number of entries of the output, the batch included;
        Hermitian, zero between different output channels.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose_jacobian_gram(x, 1, 2)
    array([[1., 2., 0.],
           [2., 5., 2.],
           [0., 2., 4.]])
    """
    arguments = hyper(out_channels, kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(JACOBIAN_GRAM, (x,), arguments)


def conv_transpose_ggn_product(
    x: Any,
    sqrt_curvature: Any,
    vector: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Multiply the layer's block of the GGN by a vector shaped like the weight.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        vector: (in_channels, out_channels/groups, *kernel_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        An array shaped like ``vector``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.ggn_product`.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> s, vector = np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.array([[[1.0, 0.0]]])
    >>> conv_transpose_ggn_product(x, s, vector, 2, stride=2)
    array([[[49., 70.]]])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(GGN_PRODUCT, (x, sqrt_curvature, vector), arguments)


def conv_transpose_gram_product(
    x: Any,
    sqrt_curvature: Any,
    vector: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Multiply the GGN's Gram matrix by a vector.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        vector: (v, [batch]).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        An array shaped like ``vector``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.gram_product`.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> s, vector = np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.array([[2.0]])
    >>> conv_transpose_gram_product(x, s, vector, 2, stride=2)
    array([[298.]])
    """
    arguments = hyper(kernel_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(GRAM_PRODUCT, (x, sqrt_curvature, vector), arguments)


def conv_transpose_kfac_product(
    input_factor: Any, output_factor: Any, vector: Any
) -> Any:
    """Multiply the Kronecker product of two factors by a vector shaped like the weight.

    Args:
        input_factor: (groups, a, a): :func:`tnconv.kfac_transpose_input_factor`, or its
            inverse, where a = in_channels/groups * prod(kernel_size).
        output_factor: (groups, c, c) with c = out_channels/groups.
        vector: (in_channels, out_channels/groups, *kernel_size).

    Returns:
        An array shaped like ``vector``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.kfac_product`.

    >>> import numpy as np
    >>> a, b = np.array([[[5.0, 8.0], [8.0, 13.0]]]), np.array([[[2.0]]])
    >>> conv_transpose_kfac_product(a, b, np.array([[[1.0, 0.0]]]))
    array([[[10., 16.]]])
    """
    return call(KFAC_PRODUCT, (input_factor, output_factor, vector), ())
