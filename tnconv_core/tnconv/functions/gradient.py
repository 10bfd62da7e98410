"""Derivatives of a convolution, arrays in and arrays out.

VJPs are plain transposes, without conjugation. Unbatched arrays give unbatched results.
Hyper-parameters are those of :func:`tnconv.conv`.
"""

from __future__ import annotations

from typing import Any

from tnconv import networks
from tnconv.functions.arguments import (
    HYPER,
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
from tnconv.networks.geometry import Padding, PaddingMode

WEIGHT_VJP = operation(
    networks.conv_weight_vjp,
    ("x", "cotangent"),
    ("kernel_size", "per_example", *HYPER),
)
INPUT_VJP = operation(
    networks.conv_input_vjp, ("weight", "cotangent"), ("input_size", *HYPER)
)
BIAS_VJP = operation(networks.conv_bias_vjp, ("cotangent",), ("per_example", "batched"))
WEIGHT_JACOBIAN = operation(
    networks.conv_weight_jacobian, ("x",), ("out_channels", "kernel_size", *HYPER)
)
INPUT_JVP = operation(networks.conv_input_jvp, ("x_tangent", "weight"), HYPER)
WEIGHT_JVP = operation(networks.conv_weight_jvp, ("x", "weight_tangent"), HYPER)
FACTORS_JVP = operation(
    factorized.conv_jvp_terms, ("x", "weight", "weight_tangent"), HYPER
)
BIAS_JVP = operation(
    networks.conv_bias_jvp, ("bias_tangent",), ("x_shape", "weight_shape", *HYPER)
)


def conv_weight_vjp(
    x: Any,
    cotangent: Any,
    kernel_size: Ints,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    keep: Keep | None = None,
    seed: int | None = None,
) -> Any:
    """Pull a cotangent of a convolution's output back to the weight: its gradient.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        per_example: keep the batch, one gradient per example.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.
        keep: shares in (0, 1] by label: no more is read, and the result is scaled to
            be right on average (:mod:`tnconv.dropout`). Labels are ``n``, ``g``,
            ``c`` and ``d`` (channels of a group), ``i0``.. and ``o0``.. (positions).
        seed: an int, with ``keep``: what is drawn, the same on every library.

    Returns:
        (out_channels, in_channels/groups, *kernel_size), with the batch as an axis
        before it if ``per_example``.

    Raises:
        ArgumentError: sizes do not fit; the cotangent is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> conv_weight_vjp(x, np.ones((1, 1, 3)), 2)
    array([[[6., 9.]]])
    """
    arguments = hyper(kernel_size)
    arguments += (bool(per_example),)
    arguments += hyper(stride, padding, dilation, groups, padding_mode)
    return call_kept(WEIGHT_VJP, (x, cotangent), arguments, keep, seed)


def conv_input_vjp(
    weight: Any,
    cotangent: Any,
    input_size: Ints,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    keep: Keep | None = None,
    seed: int | None = None,
) -> Any:
    """Pull a cotangent of a convolution's output back to the input.

    Args:
        weight: (out_channels, in_channels/groups, *kernel_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        input_size: spatial size of the input, an int or a tuple.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.
        keep: shares in (0, 1] by label: no more is read, and the result is scaled to
            be right on average (:mod:`tnconv.dropout`). Labels are ``n``, ``g``,
            ``c`` and ``d`` (channels of a group), ``o0``.. and ``k0``..
        seed: an int, with ``keep``: what is drawn, the same on every library.

    Returns:
        ([batch,] in_channels, *input_size).

    Raises:
        ArgumentError: sizes do not fit; the cotangent is not shaped like the output.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> conv_input_vjp(np.array([[[1.0, 10.0]]]), np.ones((1, 1, 3)), 4)
    array([[[ 1., 11., 11., 10.]]])
    """
    arguments = hyper(input_size, stride, padding, dilation, groups, padding_mode)
    return call_kept(INPUT_VJP, (weight, cotangent), arguments, keep, seed)


def conv_bias_vjp(
    cotangent: Any, *, per_example: bool = False, batched: bool = True
) -> Any:
    """Pull a cotangent of a convolution's output back to the bias: sum positions.

    Args:
        cotangent: (batch, out_channels, *output_size), any number of spatial axes.
        per_example: keep the batch, one gradient per example.
        batched: whether the cotangent has a batch axis.

    Returns:
        (out_channels,), with the batch before it if ``per_example``.

    Raises:
        ArgumentError: the cotangent has too few axes.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> conv_bias_vjp(np.ones((2, 1, 3)), per_example=True)
    array([[3.],
           [3.]])
    """
    return call(BIAS_VJP, (cotangent,), (bool(per_example), bool(batched)))


def conv_weight_jacobian(
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
    """Give the Jacobian of a convolution's output in its weight, as an array.

    Args:
        x: ([batch,] in_channels, *input_size).
        out_channels: number of output channels, all groups together.
        kernel_size: a tuple; an int serves for all axes of a batched ``x``.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] out_channels, *output_size, out_channels, in_channels/groups,
        *kernel_size); zero between different output channels.

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> conv_weight_jacobian(np.array([[[1.0, 2.0, 3.0]]]), 1, 2).reshape(2, 2)
    array([[1., 2.],
           [2., 3.]])
    """
    arguments = hyper(
        out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
    )
    return call(WEIGHT_JACOBIAN, (x,), arguments)


def conv_jvp(
    x: Any,
    weight: Any,
    *,
    x_tangent: Any = None,
    weight_tangent: Any = None,
    bias_tangent: Any = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Any:
    """Push tangents of input, weight and bias forward; the tangent only.

    Args:
        x: ([batch,] in_channels, *input_size).
        weight: (out_channels, in_channels/groups, *kernel_size).
        x_tangent: shaped like ``x``, or None for zero.
        weight_tangent: shaped like ``weight``, or None for zero. Where both are
            factorized, the tangent's factors are tangents of the weight's.
        bias_tangent: (out_channels,), or None for zero.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] out_channels, *output_size).

    Raises:
        ArgumentError: sizes do not fit, or no tangent is given.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> import numpy as np
    >>> x, weight = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])
    >>> conv_jvp(x, weight, weight_tangent=np.array([[[1.0, 0.0]]]))
    array([[[1., 2.]]])
    """
    check_tangent("conv_jvp", x_tangent, x, "x")
    check_tangent("conv_jvp", weight_tangent, weight, "weight")
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
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
        raise no_tangent("conv_jvp")
    return sum(terms[1:], terms[0])
