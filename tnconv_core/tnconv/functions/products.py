"""Products of a layer's curvature with a vector, arrays in and arrays out.

The matrices are those of :func:`tnconv.ggn_block`, :func:`tnconv.gram` and of Kronecker
factors; none is formed. For many vectors at once see :func:`tnconv.operator`.
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

GGN_PRODUCT = operation(
    networks.ggn_product, ("x", "sqrt_curvature", "vector"), ("kernel_size", *HYPER)
)
GRAM_PRODUCT = operation(
    networks.gram_product, ("x", "sqrt_curvature", "vector"), ("kernel_size", *HYPER)
)
KFAC_PRODUCT = operation(
    networks.kfac_product, ("input_factor", "output_factor", "vector"), ()
)


def ggn_product(
    x: Any,
    sqrt_curvature: Any,
    vector: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Multiply the layer's block of the GGN by a vector shaped like the weight.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        vector: (out_channels, in_channels/groups, *kernel_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        An array shaped like ``vector``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Schraudolph, *Fast curvature matrix-vector products for second-order
    gradient descent*, Neural Computation 2002.

    >>> import numpy as np
    >>> x, s = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[[1.0, 1.0]]]])
    >>> ggn_product(x, s, np.array([[[1.0, 0.0]]]), 2)
    array([[[ 9., 15.]]])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(GGN_PRODUCT, (x, sqrt_curvature, vector), arguments)


def gram_product(
    x: Any,
    sqrt_curvature: Any,
    vector: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Multiply the GGN's Gram matrix by a vector.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        vector: (v, [batch]).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        An array shaped like ``vector``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]], [[1.0, 0.0, 0.0]]])
    >>> gram_product(x, np.ones((1, 2, 1, 2)), np.array([[1.0, -1.0]]), 2)
    array([[31.,  2.]])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(GRAM_PRODUCT, (x, sqrt_curvature, vector), arguments)


def kfac_product(input_factor: Any, output_factor: Any, vector: Any) -> Any:
    """Multiply the Kronecker product of two factors by a vector shaped like the weight.

    Args:
        input_factor: (groups, a, a): :func:`tnconv.kfac_input_factor`, or its inverse.
        output_factor: (groups, d, d) with d = out_channels/groups.
        vector: (out_channels, in_channels/groups, *kernel_size), where a =
            in_channels/groups * prod(kernel_size).

    Returns:
        An array shaped like ``vector``: with the vector of each group as a matrix V of
        d rows, ``output_factor @ V @ input_factor.T``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for
    convolution layers*, ICML 2016.

    >>> import numpy as np
    >>> a, b = np.array([[[5.0, 8.0], [8.0, 13.0]]]), np.array([[[2.0]]])
    >>> kfac_product(a, b, np.array([[[1.0, 0.0]]]))
    array([[[10., 16.]]])
    """
    return call(KFAC_PRODUCT, (input_factor, output_factor, vector), ())
