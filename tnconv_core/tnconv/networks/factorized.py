"""Derivatives of a convolution in the factors of its kernel: edits of two networks.

Everything else about a factorized kernel is :func:`tnconv.networks.conv` and its
derivatives with the kernel's network in the weight's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.edits import batch, rename_inputs, replace, transpose
from tnconv.errors import ArgumentError
from tnconv.network import Network
from tnconv.networks.conv import conv, factors_of
from tnconv.networks.geometry import Hyper, TransposedHyper
from tnconv.networks.gradient import conv_weight_vjp
from tnconv.networks.transposed import conv_transpose, conv_transpose_weight_vjp

#: what the gradient of the weight is called before it is spliced in
_GRADIENT = "weight'"


def conv_factor_vjp(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel: Network,
    factor: str,
    *,
    per_example: bool = False,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the gradient in one factor of a convolution's kernel.

    Inputs are ``x``, ``cotangent`` and, as ``weight.core``, the other factors. The
    result is shaped like the factor, with the batch as an axis before it if
    ``per_example``.

    >>> from tnconv import parse
    >>> kernel = parse("u: d r, v: c k r -> d c k", shapes=[(4, 5), (2, 3, 5)])
    >>> conv_factor_vjp((8, 2, 9), (8, 4, 7), kernel, "v").shape
    (2, 3, 5)
    """
    gradient = conv_weight_vjp(
        x_shape, cotangent_shape, kernel.shape[2:], per_example=per_example, **hyper
    )
    return _pulled_back("conv_factor_vjps", gradient, kernel, factor)


def conv_transpose_factor_vjp(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel: Network,
    factor: str,
    *,
    per_example: bool = False,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """As :func:`conv_factor_vjp`, of a transposed convolution."""
    gradient = conv_transpose_weight_vjp(
        x_shape, cotangent_shape, kernel.shape[2:], per_example=per_example, **hyper
    )
    return _pulled_back("conv_transpose_factor_vjps", gradient, kernel, factor)


def conv_jvp_terms(
    x_shape: Sequence[int],
    kernel: Network,
    tangent: Network,
    **hyper: Unpack[Hyper],
) -> tuple[Network, ...]:
    """The networks, to be added, of a tangent of all factors pushed forward.

    Each has the tangent of one factor, ``weight_tangent.core``, in its place.
    ``tangent`` is the same network as ``kernel``.
    """
    _check_tangent("conv_jvp", kernel, tangent)
    return _tangents(conv(x_shape, kernel, **hyper), kernel)


def conv_transpose_jvp_terms(
    x_shape: Sequence[int],
    kernel: Network,
    tangent: Network,
    **hyper: Unpack[TransposedHyper],
) -> tuple[Network, ...]:
    """As :func:`conv_jvp_terms`, of a transposed convolution."""
    _check_tangent("conv_transpose_jvp", kernel, tangent)
    return _tangents(conv_transpose(x_shape, kernel, **hyper), kernel)


def _pulled_back(
    operation: str, gradient: Network, kernel: Network, factor: str
) -> Network:
    """The kernel's own VJP, reading the gradient of the weight."""
    if gradient.shape[-len(kernel.shape) :] != kernel.shape:
        raise ArgumentError(
            f"{operation}: the kernel stands for a weight of shape {kernel.shape}; x "
            f"{gradient.arguments['x']} and cotangent "
            f"{gradient.arguments['cotangent']} are those of one of shape "
            f"{gradient.shape[-len(kernel.shape) :]}"
        )
    back = transpose(factors_of("weight", kernel), f"weight.{factor}", _GRADIENT)
    if len(gradient.shape) > len(kernel.shape):
        back = batch(back, (_GRADIENT,), gradient.shape[0])
    return replace(back, _GRADIENT, gradient)


def _tangents(network: Network, kernel: Network) -> tuple[Network, ...]:
    return tuple(
        rename_inputs(network, {f"weight.{name}": f"weight_tangent.{name}"})
        for name in kernel.arguments
    )


def _check_tangent(operation: str, kernel: Network, tangent: Network) -> None:
    if tangent != kernel:
        raise ArgumentError(
            f"{operation}: weight is factorized as {kernel}, weight_tangent as "
            f"{tangent}; give tangents of the factors (weight.with_factors), or one "
            "array shaped like the weight"
        )
