"""Transposed convolutions and their derivatives, arrays in and arrays out."""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import (
    TRANSPOSED,
    check_tangent,
    hyper,
    no_tangent,
    operation,
)
from tnconv.functions.call import call
from tnconv.functions.dropout import Keep, call_kept
from tnconv.functions.factorized import weight_jvp
from tnconv.networks import factorized
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding

TRANSPOSE = operation(networks.conv_transpose, ("x", "weight"), TRANSPOSED)
WEIGHT_VJP = operation(
    networks.conv_transpose_weight_vjp,
    ("x", "cotangent"),
    ("kernel_size", "per_example", *TRANSPOSED),
)
INPUT_VJP = operation(
    networks.conv_transpose_input_vjp,
    ("weight", "cotangent"),
    ("input_size", *TRANSPOSED),
)
BIAS_VJP = operation(
    networks.conv_transpose_bias_vjp, ("cotangent",), ("per_example", "batched")
)
WEIGHT_JACOBIAN = operation(
    networks.conv_transpose_weight_jacobian,
    ("x",),
    ("out_channels", "kernel_size", *TRANSPOSED),
)
INPUT_JVP = operation(
    networks.conv_transpose_input_jvp, ("x_tangent", "weight"), TRANSPOSED
)
WEIGHT_JVP = operation(
    networks.conv_transpose_weight_jvp, ("x", "weight_tangent"), TRANSPOSED
)
FACTORS_JVP = operation(
    factorized.conv_transpose_jvp_terms, ("x", "weight", "weight_tangent"), TRANSPOSED
)
BIAS_JVP = operation(
    networks.conv_transpose_bias_jvp,
    ("bias_tangent",),
    ("x_shape", "weight_shape", *TRANSPOSED),
)


def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Apply a transposed convolution: the transpose of :func:`tnconv.conv` in ``x``.

    Args:
        x: ([batch,] in_channels, *input_size).
        weight: (in_channels, out_channels/groups, *kernel_size).
        bias: (out_channels,), or None.
        stride: step of the associated convolution, an int or one per spatial axis.
        padding: what the associated convolution pads, so what is cut off here: an int,
            one per axis, (low, high) pairs (negative: more output), ``"valid"``, or
            ``"same"`` where the stride is 1.
        output_padding: positions added at the high end of the output, an int or one per
            axis, below the larger of stride and dilation.
        dilation: distance of kernel taps, an int or one per spatial axis.
        groups: number of blocks the channels fall into.

    Returns:
        ([batch,] out_channels, *output_size), where output_size is (input - 1)*stride
        - low - high + dilation*(kernel - 1) + output_padding + 1.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0]]])
    >>> conv_transpose(x, np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    return call(TRANSPOSE, (x, weight), arguments, bias=bias)


def conv_transpose_weight_vjp(
    x: Any,
    cotangent: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    keep: Keep | None = None,
    seed: int | None = None,
) -> Any:
    """Pull a cotangent of a transposed convolution's output back to the weight.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one gradient per example.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.
        keep: shares in (0, 1] by label: no more is read, and the result is scaled to
            be right on average (:mod:`tnconv.dropout`). Labels are ``n``, ``g``,
            ``d`` and ``o0``.. (of ``x``), ``c`` and ``i0``.. (of the result).
        seed: an int, with ``keep``: what is drawn, the same on every library.

    Returns:
        (in_channels, out_channels/groups, *kernel_size), with the batch as an axis
        before it if ``per_example``.

    Raises:
        ArgumentError: sizes do not fit; the cotangent is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: the transpose of :func:`tnconv.conv_transpose` in its weight.

    >>> import numpy as np
    >>> x, cotangent = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> conv_transpose_weight_vjp(x, cotangent, 2, stride=2)
    array([[[ 7., 10.]]])
    """
    arguments = (*hyper(kernel_size), bool(per_example))
    arguments += hyper(stride, padding, output_padding, dilation, groups)
    return call_kept(WEIGHT_VJP, (x, cotangent), arguments, keep, seed)


def conv_transpose_input_vjp(
    weight: Any,
    cotangent: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
    keep: Keep | None = None,
    seed: int | None = None,
) -> Any:
    """Pull a cotangent of a transposed convolution's output back to the input.

    Args:
        weight: (in_channels, out_channels/groups, *kernel_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.
        keep: shares in (0, 1] by label: no more is read, and the result is scaled to
            be right on average (:mod:`tnconv.dropout`). Labels are ``n``, ``g``,
            ``d`` (of ``x``), ``c`` and ``i0``.. (of the result), ``k0``..
        seed: an int, with ``keep``: what is drawn, the same on every library.

    Returns:
        ([batch,] in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit; the cotangent is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: the transpose of :func:`tnconv.conv_transpose` in its input.

    >>> import numpy as np
    >>> weight, cotangent = np.array([[[1.0, 10.0]]]), np.ones((1, 1, 4))
    >>> conv_transpose_input_vjp(weight, cotangent, 2, stride=2)
    array([[[11., 11.]]])
    """
    arguments = hyper(input_size, stride, padding, output_padding, dilation, groups)
    return call_kept(INPUT_VJP, (weight, cotangent), arguments, keep, seed)


def conv_transpose_bias_vjp(
    cotangent: Any, *, per_example: bool = False, batched: bool = True
) -> Any:
    """Pull a cotangent of a transposed convolution's output back to the bias.

    See :func:`tnconv.conv_bias_vjp`, of which it differs in name only.

    >>> import numpy as np
    >>> conv_transpose_bias_vjp(np.ones((2, 1, 3)))
    array([6.])
    """
    return call(BIAS_VJP, (cotangent,), (bool(per_example), bool(batched)))


def conv_transpose_weight_jacobian(
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
    """Give the Jacobian of a transposed convolution's output in its weight.

    Args:
        x: ([batch,] in_channels, *input_size).
        out_channels: number of output channels, all groups together.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] out_channels, *output_size, in_channels, out_channels/groups,
        *kernel_size).

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: the weight's operand removed from :func:`tnconv.conv_transpose`.

    >>> import numpy as np
    >>> conv_transpose_weight_jacobian(np.ones((1, 1, 1)), 1, 2).reshape(2, 2)
    array([[1., 0.],
           [0., 1.]])
    """
    arguments = hyper(
        out_channels, kernel_size, stride, padding, output_padding, dilation, groups
    )
    return call(WEIGHT_JACOBIAN, (x,), arguments)


def conv_transpose_jvp(
    x: Any,
    weight: Any,
    *,
    x_tangent: Any = None,
    weight_tangent: Any = None,
    bias_tangent: Any = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """Push tangents through a transposed convolution; the tangent only.

    Args:
        x: ([batch,] in_channels, *input_size).
        weight: (in_channels, out_channels/groups, *kernel_size).
        x_tangent: shaped like ``x``, or None for zero.
        weight_tangent: as for :func:`tnconv.conv_jvp`, or None for zero.
        bias_tangent: (out_channels,), or None for zero.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] out_channels, *output_size).

    Raises:
        ArgumentError: sizes do not fit, or no tangent is given.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: the derivative of :func:`tnconv.conv_transpose`, linear in each argument.

    >>> import numpy as np
    >>> x, weight = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]])
    >>> conv_transpose_jvp(x, weight, x_tangent=np.ones((1, 1, 2)))
    array([[[ 1., 11., 10.]]])
    """
    check_tangent("conv_transpose_jvp", x_tangent, x, "x")
    check_tangent("conv_transpose_jvp", weight_tangent, weight, "weight")
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    terms = []
    if x_tangent is not None:
        terms.append(call(INPUT_JVP, (x_tangent, weight), arguments))
    if weight_tangent is not None:
        given = (x, weight, weight_tangent)
        terms.append(weight_jvp(WEIGHT_JVP, FACTORS_JVP, given, arguments))
    if bias_tangent is not None:
        shapes = tuple(tuple(getattr(a, "shape", ())) for a in (x, weight))
        terms.append(call(BIAS_JVP, (bias_tangent,), (*shapes, *arguments)))
    if not terms:
        raise no_tangent("conv_transpose_jvp")
    return sum(terms[1:], terms[0])
