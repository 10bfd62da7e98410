"""Transposed convolutions: the input VJP of the associated convolution, and its twins.

A transposed convolution maps what would be a cotangent of the associated convolution to
its input, so its network is that VJP with ``x`` in the cotangent's place; the weight
is stored as the associated convolution's: (in_channels, out_channels/groups, *kernel).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.edits import remove, rename_inputs, transpose
from tnconv.network import Network
from tnconv.networks.checks import Ints, Site, Weight
from tnconv.networks.conv import bias_jvp, check_array, forward, renamed_array
from tnconv.networks.geometry import Geometry, TransposedHyper, transposed_geometry
from tnconv.networks.gradient import bias_vjp, examples


def conv_transpose(
    x_shape: Sequence[int],
    weight_shape: Weight,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of a transposed convolution, with inputs ``x`` and ``weight``.

    ``x_shape`` is ([batch,] in_channels, *input_size) and ``weight_shape``
    (in_channels, out_channels/groups, *kernel_size); the result has shape ([batch,]
    out_channels, *output_size). Keywords are those of :func:`tnconv.conv_transpose`.
    Labels are the associated convolution's: ``d`` and ``o`` belong to ``x``, ``c`` and
    ``i`` to the result.

    >>> conv_transpose((1, 4, 4), (4, 2, 3), stride=2).shape
    (1, 2, 9)
    """
    site = Site.of("conv_transpose", x=x_shape, weight=weight_shape)
    return transposed_forward(transposed_geometry(site, **hyper))


def transposed_forward(geometry: Geometry) -> Network:
    """The network of a transposed convolution, ``x`` its first operand."""
    network = transpose(forward(geometry), "x", "x")
    *rest, x = network.operands
    return network.with_operands((x, *rest))


def conv_transpose_weight_vjp(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the weight's gradient, with inputs ``x`` and ``cotangent``.

    The result has shape (in_channels, out_channels/groups, *kernel_size), with the
    batch as an axis before it if ``per_example``.

    >>> conv_transpose_weight_vjp((1, 4, 4), (1, 2, 9), 3, stride=2).shape
    (4, 2, 3)
    """
    site = Site.of("conv_transpose_weight_vjp", x=x_shape, cotangent=cotangent_shape)
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    out_channels = site.split("cotangent", axes)[1]
    geometry = transposed_of_kernel(site, out_channels, kernel_size, hyper)
    _check_cotangent(site, geometry)
    return transpose(
        transposed_forward(geometry),
        "weight",
        "cotangent",
        keep=examples(geometry, per_example),
    )


def conv_transpose_input_vjp(
    weight_shape: Weight,
    cotangent_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the input's gradient, with inputs ``weight`` and ``cotangent``.

    The result has shape ([batch,] in_channels, *input_size).

    >>> conv_transpose_input_vjp((4, 2, 3), (1, 2, 9), 4, stride=2).shape
    (1, 4, 4)
    """
    site = Site.of(
        "conv_transpose_input_vjp", weight=weight_shape, cotangent=cotangent_shape
    )
    batch = site.split("cotangent", len(site.weight()[2]))[0]
    geometry = transposed_from_input_size(site, input_size, batch, hyper)
    _check_cotangent(site, geometry)
    return transpose(transposed_forward(geometry), "x", "cotangent")


def conv_transpose_bias_vjp(
    cotangent_shape: Sequence[int], *, per_example: bool = False, batched: bool = True
) -> Network:
    """The network of the bias's gradient; see :func:`conv_bias_vjp`."""
    return bias_vjp("conv_transpose_bias_vjp", cotangent_shape, per_example, batched)


def conv_transpose_weight_jacobian(
    x_shape: Sequence[int],
    out_channels: int,
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the output's Jacobian in the weight, with input ``x``.

    The result has shape ([batch,] out_channels, *output_size, in_channels,
    out_channels/groups, *kernel_size).

    >>> conv_transpose_weight_jacobian((1, 4, 4), 2, 3, stride=2).shape
    (1, 2, 9, 4, 2, 3)
    """
    site = Site.of("conv_transpose_weight_jacobian", x=x_shape)
    channels = site.whole("out_channels", out_channels, 0)
    geometry = transposed_of_kernel(site, channels, kernel_size, hyper)
    return remove(transposed_forward(geometry), "weight")


def conv_transpose_input_jvp(
    x_shape: Sequence[int],
    weight_shape: Weight,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The forward network with input ``x_tangent`` in the place of ``x``."""
    site = Site.of("conv_transpose_jvp", x=x_shape, weight=weight_shape)
    network = transposed_forward(transposed_geometry(site, **hyper))
    return rename_inputs(network, {"x": "x_tangent"})


def conv_transpose_weight_jvp(
    x_shape: Sequence[int],
    weight_shape: Weight,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The forward network with input ``weight_tangent`` in the place of ``weight``."""
    site = Site.of("conv_transpose_jvp", x=x_shape, weight=weight_shape)
    network = transposed_forward(transposed_geometry(site, **hyper))
    return renamed_array(network, "weight", "weight_tangent")


def conv_transpose_bias_jvp(
    bias_tangent_shape: Sequence[int],
    x_shape: Sequence[int],
    weight_shape: Weight,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network that repeats ``bias_tangent`` over batch and output positions."""
    site = Site.of(
        "conv_transpose_jvp",
        bias_tangent=bias_tangent_shape,
        x=x_shape,
        weight=weight_shape,
    )
    geometry = transposed_geometry(site, **hyper)
    check_array(site, "bias_tangent", (geometry.in_channels,), "(out_channels,)")
    return bias_jvp(geometry, "c", "i")


def transposed_of_kernel(
    site: Site, out_channels: int, kernel_size: Ints, hyper: TransposedHyper
) -> Geometry:
    """The associated convolution where kernel sizes and output channels are given.

    The site knows the shape of ``x``.
    """
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    kernel = site.per_axis("kernel_size", kernel_size, axes, 1)
    in_channels = site.split("x", axes)[1]
    groups = site.groups(
        hyper.get("groups", 1), in_channels=in_channels, out_channels=out_channels
    )
    weight = (in_channels, out_channels // groups, *kernel)
    return transposed_geometry(site.adding("weight", weight), **hyper)


def transposed_from_input_size(
    site: Site, input_size: Ints, batch: int | None, hyper: TransposedHyper
) -> Geometry:
    """The associated convolution where the input's spatial size is given and the weight
    known."""
    in_channels, _, kernel = site.weight()
    spatial = site.per_axis("input_size", input_size, len(kernel), 1)
    x = (*(() if batch is None else (batch,)), in_channels, *spatial)
    return transposed_geometry(site.adding("x", x), **hyper)


def _check_cotangent(site: Site, geometry: Geometry) -> None:
    check_array(
        site, "cotangent", geometry.input_shape, "the transposed convolution's output"
    )
