"""Hessians pulled back through a transposed convolution, arrays in and arrays out.

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

INPUT_HESSIAN = operation(
    networks.conv_transpose_input_hessian,
    (
        "weight",
        "hessian",
    ),
    ("input_size", *TRANSPOSED),
)
HESSIAN_BLOCK = operation(
    networks.conv_transpose_hessian_block,
    (
        "x",
        "hessian",
    ),
    ("kernel_size", "per_example", *TRANSPOSED),
)
HESSIAN_DIAGONAL = operation(
    networks.conv_transpose_hessian_diagonal,
    (
        "x",
        "diagonal",
    ),
    ("kernel_size", "per_example", *TRANSPOSED),
)
INPUT_HESSIAN_DIAGONAL = operation(
    networks.conv_transpose_input_hessian_diagonal,
    (
        "weight",
        "diagonal",
    ),
    ("input_size", *TRANSPOSED),
)


def conv_transpose_input_hessian(
    weight: Any,
    hessian: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Pull the loss's Hessian at a transposed convolution's output back to its input.

    Args:
        weight: (in_channels, out_channels/groups, *kernel_size).
        hessian: ([batch,] out_channels, *output_size, out_channels, *output_size), the
            loss's Hessian at the output for each example.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] in_channels, *input_size, in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: see :func:`tnconv.input_hessian`.

    >>> import numpy as np
    >>> weight = np.array([[[1.0, 10.0]]])
    >>> hessian = np.eye(3).reshape(1, 1, 3, 1, 3)
    >>> conv_transpose_input_hessian(weight, hessian, 2).reshape(2, 2)
    array([[101.,  10.],
           [ 10., 101.]])
    """
    arguments = hyper(input_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(INPUT_HESSIAN, (weight, hessian), arguments)


def conv_transpose_hessian_block(
    x: Any,
    hessian: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the loss's Hessian in the weight, from that at the output.

    Args:
        x: ([batch,] in_channels, *input_size).
        hessian: ([batch,] out_channels, *output_size, out_channels, *output_size), the
            loss's Hessian at the output for each example.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one result for each example.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (r, r), with r the number of entries of the weight in the order of
        ``weight.reshape(-1)``, and the batch before it if ``per_example``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose_hessian_block(x, np.eye(3).reshape(1, 1, 3, 1, 3), 2)
    array([[5., 2.],
           [2., 5.]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(HESSIAN_BLOCK, (x, hessian), arguments)


def conv_transpose_hessian_diagonal(
    x: Any,
    diagonal: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the Hessian's diagonal in the weight, where that at the output is diagonal.

    Args:
        x: ([batch,] in_channels, *input_size).
        diagonal: ([batch,] out_channels, *output_size), of the Hessian at the output.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one result for each example.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (in_channels, out_channels/groups, *kernel_size), with the batch before it if
        ``per_example``.

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Becker and LeCun, *Improving the convergence of back-propagation learning
    with second order methods*, 1989.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose_hessian_diagonal(x, np.ones((1, 1, 3)), 2)
    array([[[5., 5.]]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(HESSIAN_DIAGONAL, (x, diagonal), arguments)


def conv_transpose_input_hessian_diagonal(
    weight: Any,
    diagonal: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the Hessian's diagonal at the input, where that at the output is diagonal.

    Args:
        weight: (in_channels, out_channels/groups, *kernel_size).
        diagonal: ([batch,] out_channels, *output_size), of the Hessian at the output.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Becker and LeCun, *Improving the convergence of back-propagation learning
    with second order methods*, 1989.

    >>> import numpy as np
    >>> weight = np.array([[[1.0, 10.0]]])
    >>> conv_transpose_input_hessian_diagonal(weight, np.ones((1, 1, 3)), 2)
    array([[[101., 101.]]])
    """
    arguments = hyper(input_size)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(INPUT_HESSIAN_DIAGONAL, (weight, diagonal), arguments)
