"""Unfold, fold, their transposed kin, and the matrix of a convolution, on arrays."""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

WINDOW = ("stride", "padding", "dilation", "padding_mode")

UNFOLD = operation(networks.unfold, ("x",), ("kernel_size", *WINDOW))
FOLD = operation(networks.fold, ("columns",), ("output_size", "kernel_size", *WINDOW))
UNFOLD_TRANSPOSE = operation(
    networks.unfold_transpose,
    ("x",),
    ("kernel_size", "stride", "padding", "output_padding", "dilation"),
)
TOEPLITZ = operation(
    networks.toeplitz,
    ("weight",),
    ("input_size", "stride", "padding", "dilation", "groups", "padding_mode"),
)


def unfold(
    x: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Write every window of ``x`` as a column (im2col), for any number of axes.

    Args:
        x: ([batch,] channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] channels * prod(kernel_size), prod(output_size)), channels outermost:
        the layout of ``torch.nn.functional.unfold``.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> unfold(np.array([[[1.0, 2.0, 3.0]]]), 2)
    array([[[1., 2.],
            [2., 3.]]])
    """
    arguments = hyper(kernel_size, stride, padding, dilation, padding_mode)
    return call(UNFOLD, (x,), arguments)


def fold(
    columns: Any,
    output_size: Ints,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Add every column to the window it stands for (col2im): unfold's transpose.

    Args:
        columns: ([batch,] channels * prod(kernel_size), positions).
        output_size: spatial size of the result.
        kernel_size: size of the window; one of the two is a tuple and says how many
            spatial axes there are.
        stride, padding, dilation, padding_mode: those of the unfold.

    Returns:
        ([batch,] channels, *output_size).

    Raises:
        ArgumentError: rows are no multiple of prod(kernel_size), or positions do not
            match the sizes.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> fold(np.ones((1, 2, 2)), (3,), 2)
    array([[[1., 2., 1.]]])
    """
    arguments = hyper(output_size, kernel_size, stride, padding, dilation, padding_mode)
    return call(FOLD, (columns,), arguments)


def unfold_transpose(
    x: Any,
    kernel_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
) -> Any:
    """Write as a column what each output of a transposed convolution reads.

    Args:
        x: ([batch,] channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation: as for :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] channels * prod(kernel_size), prod(output_size)), channels outermost.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> unfold_transpose(np.array([[[1.0, 2.0]]]), 2, stride=2)
    array([[[1., 0., 2., 0.],
            [0., 1., 0., 2.]]])
    """
    arguments = hyper(kernel_size, stride, padding, output_padding, dilation)
    return call(UNFOLD_TRANSPOSE, (x,), arguments)


def toeplitz(
    weight: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the matrix a convolution is on flattened arrays: its input Jacobian.

    Args:
        weight: (out_channels, in_channels/groups, *kernel_size).
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (out_channels * prod(output_size), in_channels * prod(input_size)),
        block-diagonal over groups.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> toeplitz(np.array([[[1.0, 10.0]]]), 3)
    array([[ 1., 10.,  0.],
           [ 0.,  1., 10.]])
    """
    arguments = hyper(input_size, stride, padding, dilation, groups, padding_mode)
    return call(TOEPLITZ, (weight,), arguments)
