"""Quadratic curvature quantities of a layer's weight, arrays in and arrays out.

One of the two copies is conjugated, so that squares of complex numbers are those of
their absolute values (and come as complex arrays). Unbatched arrays give unbatched
results. Hyper-parameters are those of :func:`tnconv.conv`, every padding mode included.
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

CONV_WEIGHT_VJP_SQUARED_NORM = operation(
    networks.conv_weight_vjp_squared_norm, ("x", "cotangent"), ("kernel_size", *HYPER)
)
GGN_DIAGONAL = operation(
    networks.ggn_diagonal,
    ("x", "sqrt_curvature"),
    ("kernel_size", "per_example", *HYPER),
)
GGN_BLOCK = operation(
    networks.ggn_block, ("x", "sqrt_curvature"), ("kernel_size", *HYPER)
)
EKFAC_CORRECTION = operation(
    networks.ekfac_correction,
    ("x", "sqrt_curvature", "input_basis", "output_basis"),
    ("kernel_size", *HYPER),
)


def conv_weight_vjp_squared_norm(
    x: Any,
    cotangent: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the squared norm of every example's weight gradient ("ghost norms").

    Which is cheaper is found by the planner: forming the gradients, or only the inner
    products of inputs and of cotangents between output positions, or orders in between.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (batch,), and () without a batch: the sum of the absolute squares of
        ``conv_weight_vjp(..., per_example=True)``.

    Raises:
        ArgumentError: sizes do not fit; the cotangent is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: for matrices Goodfellow, *Efficient per-example gradient computations*,
    arXiv:1510.01799; for convolutions Bu, Mao and Xu, *Scalable and efficient training
    of large convolutional neural networks with differential privacy*, NeurIPS 2022.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> conv_weight_vjp_squared_norm(x, np.ones((1, 1, 3)), 2)
    array([117.])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(CONV_WEIGHT_VJP_SQUARED_NORM, (x, cotangent), arguments)


def ggn_diagonal(
    x: Any,
    sqrt_curvature: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the diagonal of the generalized Gauss-Newton matrix (GGN) in the weight.

    What ``sqrt_curvature`` holds makes it one of three: with a column of an exact
    square root of the loss's Hessian at the output for each class ``v``, pulled back to
    this layer's output, the exact GGN; with ``v`` gradients of sampled labels over
    ``sqrt(v)``, a Monte-Carlo estimate of it; with the gradient of the loss (v = 1),
    the empirical Fisher matrix.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one diagonal for each example.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (out_channels, in_channels/groups, *kernel_size), with the batch as an axis
        before it if ``per_example``: the absolute squares of the weight VJPs of each
        ``sqrt_curvature[v, n]``, summed. There is no other factor.

    Raises:
        ArgumentError: sizes do not fit; sqrt_curvature is not shaped like outputs.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> ggn_diagonal(x, np.array([[[[1.0, 0.0]]], [[[0.0, 1.0]]]]), 2)
    array([[[ 5., 13.]]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(GGN_DIAGONAL, (x, sqrt_curvature), arguments)


def ggn_block(
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
    """Give the layer's whole block of the GGN: a matrix over pairs of weight entries.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`ggn_diagonal`.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (r, r), with r the number of entries of the weight in the order of
        ``weight.reshape(-1)``; Hermitian. Groups have entries in common.

    Raises:
        ArgumentError: sizes do not fit; sqrt_curvature is not shaped like outputs.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> ggn_block(x, np.array([[[[1.0, 1.0]]]]), 2)
    array([[ 9., 15.],
           [15., 25.]])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(GGN_BLOCK, (x, sqrt_curvature), arguments)


def ekfac_correction(
    x: Any,
    sqrt_curvature: Any,
    input_basis: Any,
    output_basis: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the GGN's diagonal in the eigenbases of its Kronecker factors (EKFAC).

    Every weight VJP of a ``sqrt_curvature[v, n]``, as a matrix of output channels times
    ``(c kernel)``, is multiplied by the conjugate bases on both sides; the absolute
    squares are summed over ``v`` and the batch.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`ggn_diagonal`.
        input_basis: (groups, c * prod(kernel_size), q) with c = in_channels/groups: as
            columns, the eigenvectors of each block of :func:`tnconv.kfac_input_factor`.
        output_basis: (groups, d, p) with d = out_channels/groups, likewise.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (groups, p, q): the eigenvalues that fit the GGN best with these eigenvectors.
        There is no other factor.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: George et al., *Fast approximate natural gradient descent in a
    Kronecker-factored eigenbasis*, NeurIPS 2018.

    >>> import numpy as np, tnconv
    >>> x, s = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[[1.0, 1.0]]]])
    >>> _, basis = np.linalg.eigh(tnconv.kfac_input_factor(x, 2))
    >>> found = ekfac_correction(x, s, basis, np.ones((1, 1, 1)), 2)
    >>> round(float(found.sum()), 9)
    34.0
    """
    arguments = hyper(kernel_size, stride, padding, dilation, groups, padding_mode)
    return call(
        EKFAC_CORRECTION, (x, sqrt_curvature, input_basis, output_basis), arguments
    )
