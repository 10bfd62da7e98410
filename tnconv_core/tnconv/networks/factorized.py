"""Derivatives of a convolution in the factors of its kernel: edits of two networks.

Everything else about a factorized kernel is :func:`tnconv.networks.conv` and its
derivatives with the kernel's network in the weight's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_fields
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import attach, batch, conjugated, rename_inputs, replace, transpose
from tnconv.errors import ArgumentError
from tnconv.network import Input, Network
from tnconv.networks.checks import Site
from tnconv.networks.conv import check_array, conv, factors_of
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


def ggn_rows_terms(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel: Network,
    tangent: Network,
    **hyper: Unpack[Hyper],
) -> tuple[Network, ...]:
    """The networks, to be added, of the GGN's rows in all factors, times a tangent.

    Inputs are ``x``, ``sqrt_curvature`` (v, [batch,] out_channels, *output_size), the
    factors ``weight.core`` and so on, and the tangent of one, ``weight_tangent.core``.
    The results have shape (v, [batch]).

    >>> from tnconv import parse
    >>> kernel = parse("u: d r, v: c k r -> d c k", shapes=[(4, 5), (2, 3, 5)])
    >>> [n.shape for n in ggn_rows_terms((8, 2, 9), (3, 8, 4, 7), kernel, kernel)]
    [(3, 8), (3, 8)]
    """
    _check_tangent("ggn_factor_product", kernel, tangent)
    layer = conv(x_shape, kernel, **hyper)
    return _rows("ggn_factor_product", x_shape, sqrt_curvature_shape, layer, kernel)


def conv_transpose_ggn_rows_terms(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel: Network,
    tangent: Network,
    **hyper: Unpack[TransposedHyper],
) -> tuple[Network, ...]:
    """As :func:`ggn_rows_terms`, of a transposed convolution."""
    name = "conv_transpose_ggn_factor_product"
    _check_tangent(name, kernel, tangent)
    layer = conv_transpose(x_shape, kernel, **hyper)
    return _rows(name, x_shape, sqrt_curvature_shape, layer, kernel)


def weighted_rows(
    sqrt_curvature_shape: Sequence[int], rows_shape: Sequence[int]
) -> Network:
    """The network of a square root of the curvature times what its rows gave.

    >>> weighted_rows((3, 8, 4, 7), (3, 8)).shape
    (8, 4, 7)
    """
    sizes = {f"a{j}": size for j, size in enumerate(sqrt_curvature_shape)}
    axes = tuple(Axis(size, ((label, 1),)) for label, size in sizes.items())
    operands = Input("sqrt_curvature", axes), Input("rows", axes[: len(rows_shape)])
    return Network.build(operands, axes[1:], sizes)


def _rows(
    operation: str,
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    layer: Network,
    kernel: Network,
) -> tuple[Network, ...]:
    """Each factor's tangent pushed forward, against the curvature's square root."""
    site = Site.of(operation, x=x_shape, sqrt_curvature=sqrt_curvature_shape)
    columns = site.shapes["sqrt_curvature"][:1]
    wanted = (*columns, *layer.shape)
    check_array(site, "sqrt_curvature", wanted, "the layer's output asks for")
    batched = len(x_shape) == len(kernel.shape)
    kept = layer.output[0].labels if batched else ()
    return tuple(
        batch(
            _conjugated_but(
                attach(term, "sqrt_curvature", len(term.output), keep=kept),
                f"weight_tangent.{name}",
            ),
            ("sqrt_curvature",),
            columns[0],
        )
        for name, term in zip(kernel.arguments, _tangents(layer, kernel), strict=True)
    )


def _conjugated_but(network: Network, name: str) -> Network:
    """The network on conjugates of all its arrays but one."""
    operands = [
        with_fields(op, conjugate=True)
        if isinstance(op, Input) and op.name == name
        else op
        for op in network.operands
    ]
    return conjugated(network.with_operands(operands))


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
    """The network with the tangent of each factor in turn in its place."""
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
