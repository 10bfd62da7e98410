"""Hessians of the loss pulled back through a layer, arrays in and arrays out.

A convolution is linear in its input, its weight and its bias, so the Hessian of the
loss in each of them follows from that at the output alone.
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, hyper, operation
from tnconv.functions.call import call
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

INPUT_HESSIAN = operation(
    networks.input_hessian, ("weight", "hessian"), ("input_size", *HYPER)
)
HESSIAN_BLOCK = operation(
    networks.hessian_block, ("x", "hessian"), ("kernel_size", "per_example", *HYPER)
)
BIAS_HESSIAN = operation(
    networks.bias_hessian, ("hessian",), ("per_example", "batched")
)
HESSIAN_DIAGONAL = operation(
    networks.hessian_diagonal, ("x", "diagonal"), ("kernel_size", "per_example", *HYPER)
)
INPUT_HESSIAN_DIAGONAL = operation(
    networks.input_hessian_diagonal, ("weight", "diagonal"), ("input_size", *HYPER)
)


def input_hessian(
    weight: Any,
    hessian: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Pull the loss's Hessian at a convolution's output back to its input.

    This is the step from layer to layer of Hessian backpropagation. Without a batch it
    carries a Hessian averaged over the batch (KFRA).

    Args:
        weight: (out_channels, in_channels/groups, *kernel_size).
        hessian: ([batch,] out_channels, *output_size, out_channels, *output_size), the
            loss's Hessian at the output for each example.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] in_channels, *input_size, in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit; the Hessian is not shaped like two outputs.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, Harmeling and Hennig, *Modular block-diagonal curvature
    approximations for feedforward architectures*, AISTATS 2020.

    >>> import numpy as np
    >>> hessian = np.eye(2).reshape(1, 1, 2, 1, 2)
    >>> input_hessian(np.array([[[1.0, 10.0]]]), hessian, 3).reshape(3, 3)
    array([[  1.,  10.,   0.],
           [ 10., 101.,  10.],
           [  0.,  10., 100.]])
    """
    arguments = hyper(input_size, stride, padding, dilation, groups, padding_mode)
    return call(INPUT_HESSIAN, (weight, hessian), arguments)


def hessian_block(
    x: Any,
    hessian: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the loss's Hessian in the weight, from that at the output.

    With the GGN's curvature at the output it is the GGN's block.

    Args:
        x: ([batch,] in_channels, *input_size).
        hessian: ([batch,] out_channels, *output_size, out_channels, *output_size), the
            loss's Hessian at the output for each example.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one matrix for each example.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (r, r), with r the number of entries of the weight in the order of
        ``weight.reshape(-1)``, and the batch before it if ``per_example``.

    Raises:
        ArgumentError: sizes do not fit; the Hessian is not shaped like two outputs.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> hessian_block(x, np.eye(2).reshape(1, 1, 2, 1, 2), 2)
    array([[ 5.,  8.],
           [ 8., 13.]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(HESSIAN_BLOCK, (x, hessian), arguments)


def bias_hessian(
    hessian: Any, *, per_example: bool = False, batched: bool = True
) -> Any:
    """Give the loss's Hessian in the bias: that at the output, summed over positions.

    It is KFRA's output factor as well.

    Args:
        hessian: (batch, channels, *spatial, channels, *spatial).
        per_example: keep the batch, one matrix for each example.
        batched: whether the Hessian has a batch axis.

    Returns:
        (channels, channels), with the batch before it if ``per_example``.

    Raises:
        ArgumentError: the Hessian is not shaped like two outputs.

    Source: Botev, Ritter and Barber, *Practical Gauss-Newton optimisation for deep
    learning*, ICML 2017.

    >>> import numpy as np
    >>> bias_hessian(np.ones((2, 1, 3, 1, 3)))
    array([[18.]])
    """
    return call(BIAS_HESSIAN, (hessian,), (bool(per_example), bool(batched)))


def hessian_diagonal(
    x: Any,
    diagonal: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the Hessian's diagonal in the weight, where that at the output is diagonal.

    Becker and LeCun's approximation drops what is off the diagonal at every layer; with
    :func:`input_hessian_diagonal` it is carried on to the layer before.

    Args:
        x: ([batch,] in_channels, *input_size).
        diagonal: ([batch,] out_channels, *output_size), of the Hessian at the output.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one diagonal for each example.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (out_channels, in_channels/groups, *kernel_size), with the batch before it if
        ``per_example``.

    Raises:
        ArgumentError: sizes do not fit; the diagonal is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Becker and LeCun, *Improving the convergence of back-propagation learning
    with second order methods*, 1989.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> hessian_diagonal(x, np.ones((1, 1, 2)), 2)
    array([[[ 5., 13.]]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(HESSIAN_DIAGONAL, (x, diagonal), arguments)


def input_hessian_diagonal(
    weight: Any,
    diagonal: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the Hessian's diagonal at the input, where that at the output is diagonal.

    Where a padding mode lets one output read an input twice, the two weights are added
    before they are squared.

    Args:
        weight: (out_channels, in_channels/groups, *kernel_size).
        diagonal: ([batch,] out_channels, *output_size), of the Hessian at the output.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit; the diagonal is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Becker and LeCun, *Improving the convergence of back-propagation learning
    with second order methods*, 1989.

    >>> import numpy as np
    >>> input_hessian_diagonal(np.array([[[1.0, 10.0]]]), np.ones((1, 1, 2)), 3)
    array([[[  1., 101., 100.]]])
    """
    arguments = hyper(input_size, stride, padding, dilation, groups, padding_mode)
    return call(INPUT_HESSIAN_DIAGONAL, (weight, diagonal), arguments)
