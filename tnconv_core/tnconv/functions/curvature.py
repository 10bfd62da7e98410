"""Kronecker factors of a layer's curvature, arrays in and arrays out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tnconv import networks
from tnconv.functions.arguments import HYPER, TRANSPOSED, hyper, operation
from tnconv.functions.call import call
from tnconv.networks import curvature
from tnconv.networks.checks import Ints
from tnconv.networks.curvature import Normalization
from tnconv.networks.geometry import Padding, PaddingMode
from tnconv.networks.unfolded import Approximation, Grouping, Outermost

FACTOR = ("approximation", "normalization", "grouping", "outermost", "bias")
#: what plans of an input's factor aim to hold, as a share of inputs plus result
TARGETS = {"expand": 1.2, "reduce": 0.25}


def _target(kernel_size: Any, approximation: str, *others: Any) -> float:
    return TARGETS[approximation]


INPUT_FACTOR = replace(
    operation(
        curvature.kfac_input_factor_terms, ("x",), ("kernel_size", *FACTOR, *HYPER)
    ),
    target=_target,
)
TRANSPOSE_INPUT_FACTOR = replace(
    operation(
        curvature.kfac_transpose_input_factor_terms,
        ("x",),
        ("kernel_size", *FACTOR, *TRANSPOSED),
    ),
    target=_target,
)
OUTPUT_FACTOR = operation(
    networks.kfac_output_factor,
    ("cotangent",),
    (
        *("approximation", "normalization", "loss_average", "groups"),
        *("batched", "columns"),
    ),
)


def kfac_input_factor(
    x: Any,
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    grouping: Grouping = "block",
    outermost: Outermost = "channel",
    bias: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Give the Kronecker factor of a convolution's input: its unfolded input, squared.

    With ``a[n, o]`` the unfolded input (:func:`tnconv.unfolded_inputs`) of one example
    at one output position, "expand" (KFC) is the sum over ``n`` and ``o`` of ``a a^H``;
    "reduce" sums ``a`` over ``o`` before it is squared.

    Plans aim to hold 1.2 (expand) or 0.25 (reduce) times input plus result beyond them
    where that does not double their time (``tnconv.options(memory_target=...)``).

    Args:
        x: ([batch,] in_channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        approximation: "expand" or "reduce".
        normalization: what the sum becomes a mean over: "batch" divides by the batch
            size, "positions" by the number of output positions (for "reduce" by its
            square: each copy becomes a mean), "both" by both, "none" by nothing.
            Integers are rounded down.
        grouping: "block" is one factor for each group; "average" takes the mean of
            ``x`` over groups first, and is one factor.
        outermost: what varies slowest among features, "channel" (as a weight is stored)
            or "kernel".
        bias: one more feature, the last one: the number 1 at every position, also where
            the input is padded.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        (groups, features, features), or (1, features, features) for "average", with
        in_channels/groups * prod(kernel_size) features and the bias; Hermitian.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024; "expand" is
    Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for convolution
    layers*, ICML 2016, "reduce" Eschenhagen et al., *Kronecker-factored approximate
    curvature for modern neural network architectures*, NeurIPS 2023.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> kfac_input_factor(x, 2, normalization="none")
    array([[[ 5.,  8.],
            [ 8., 13.]]])
    >>> kfac_input_factor(x, 2, approximation="reduce", bias=True)
    array([[[2.25, 3.75, 1.5 ],
            [3.75, 6.25, 2.5 ],
            [1.5 , 2.5 , 1.  ]]])
    """
    arguments = hyper(kernel_size, approximation, normalization, grouping, outermost)
    arguments += (bool(bias),)
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call(INPUT_FACTOR, (x,), arguments)


def kfac_transpose_input_factor(
    x: Any,
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    grouping: Grouping = "block",
    outermost: Outermost = "channel",
    bias: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Give the Kronecker factor of a transposed convolution's input.

    As :func:`tnconv.kfac_input_factor`, of the unfolded input that
    :func:`tnconv.unfolded_transpose_inputs` gives; positions are those of the layer's
    output.

    Args:
        x: ([batch,] in_channels, *input_size).
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        approximation, normalization, grouping, outermost, bias: as for
            :func:`tnconv.kfac_input_factor`.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        (groups, features, features), or (1, features, features) for "average", with
        in_channels/groups * prod(kernel_size) features and the bias; Hermitian.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> kfac_transpose_input_factor(x, 2, normalization="none")
    array([[[5., 2.],
            [2., 5.]]])
    """
    arguments = hyper(kernel_size, approximation, normalization, grouping, outermost)
    arguments += (bool(bias),)
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call(TRANSPOSE_INPUT_FACTOR, (x,), arguments)


def kfac_output_factor(
    cotangent: Any,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "none",
    loss_average: Normalization = "none",
    groups: int = 1,
    batched: bool = True,
    columns: bool = False,
) -> Any:
    """Give the Kronecker factor of a layer's output: its loss gradients, squared.

    With ``g[n, o]`` the gradient of one example at one position, "expand" is the sum
    over ``n`` and ``o`` of ``g g^H``; "reduce" sums ``g`` over ``o`` before it is
    squared. For convolutions and transposed ones, any number of spatial axes (none:
    a linear layer).

    Args:
        cotangent: ([columns,] [batch,] out_channels, *output_size), the gradient of the
            loss in the layer's output, or columns of a square root of the loss's
            curvature pulled back to it.
        approximation: "expand" or "reduce".
        normalization: what the factor is divided by, as for
            :func:`tnconv.kfac_input_factor`; columns are always summed.
        loss_average: what the loss is a mean over, where the gradients are those of a
            mean: the factor is multiplied by the number of its terms, so that it counts
            as that of a sum does, once divided by this number.
        groups: one factor for each group of channels; 1 is one for all channels.
        batched: whether there is a batch axis.
        columns: whether there is an axis of columns, before the batch.

    Returns:
        (groups, out_channels/groups, out_channels/groups); Hermitian.

    Raises:
        ArgumentError: the cotangent has too few axes, or arguments do not fit.

    Source: as for :func:`tnconv.kfac_input_factor`.

    >>> import numpy as np
    >>> cotangent = np.array([[[1.0, 2.0], [0.0, 1.0]]])
    >>> kfac_output_factor(cotangent)
    array([[[5., 2.],
            [2., 1.]]])
    >>> kfac_output_factor(cotangent, approximation="reduce", groups=2).ravel()
    array([9., 1.])
    """
    arguments = hyper(approximation, normalization, loss_average, groups)
    arguments += (bool(batched), bool(columns))
    return call(OUTPUT_FACTOR, (cotangent,), arguments)
