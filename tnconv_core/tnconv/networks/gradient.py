"""Derivatives of a convolution: edits of its forward network.

VJPs are plain transposes, without conjugation. Every builder takes the keywords of
:func:`tnconv.networks.conv`; the output size is read off the cotangent and must be the
one those keywords give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.edits import remove, rename_inputs, transpose
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site, Weight
from tnconv.networks.conv import (
    bias_jvp,
    check_array,
    forward,
    plain,
    renamed_array,
)
from tnconv.networks.geometry import Geometry, Hyper, conv_geometry


def conv_weight_vjp(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the weight's gradient, with inputs ``x`` and ``cotangent``.

    The result has the weight's shape (out_channels, in_channels/groups, *kernel_size),
    with the batch as an axis before it if ``per_example``. An int ``kernel_size`` means
    batched arrays.

    >>> conv_weight_vjp((5, 2, 9), (5, 4, 7), 3).shape
    (4, 2, 3)
    """
    site = Site.of("conv_weight_vjp", x=x_shape, cotangent=cotangent_shape)
    geometry = _from_cotangent(site, kernel_size, hyper)
    return transpose(
        forward(geometry), "weight", "cotangent", keep=examples(geometry, per_example)
    )


def conv_input_vjp(
    weight_shape: Weight,
    cotangent_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the input's gradient, with inputs ``weight`` and ``cotangent``.

    The result has shape ([batch,] in_channels, *input_size).

    >>> conv_input_vjp((4, 2, 3), (5, 4, 7), 9).shape
    (5, 2, 9)
    """
    site = Site.of("conv_input_vjp", weight=weight_shape, cotangent=cotangent_shape)
    axes = len(site.weight()[2])
    batch = site.split("cotangent", axes)[0]
    geometry = from_input_size(site, input_size, batch, hyper)
    check_array(site, "cotangent", geometry.output_shape, "the convolution's output")
    return transpose(forward(geometry), "x", "cotangent")


def conv_bias_vjp(
    cotangent_shape: Sequence[int], *, per_example: bool = False, batched: bool = True
) -> Network:
    """The network of the bias's gradient, with input ``cotangent``.

    ``cotangent_shape`` is (batch, channels, *spatial), without the batch where
    ``batched`` is false; the result has shape (channels,), with the batch before it if
    ``per_example``.

    >>> conv_bias_vjp((5, 4, 7), per_example=True).shape
    (5, 4)
    """
    return bias_vjp("conv_bias_vjp", cotangent_shape, per_example, batched)


def bias_vjp(
    operation: str, cotangent_shape: Sequence[int], per_example: bool, batched: bool
) -> Network:
    """The sum of a cotangent over positions, and over the batch if not kept."""
    site = Site.of(operation, cotangent=cotangent_shape)
    shape = site.shapes["cotangent"]
    leading = ("n", "d") if batched else ("d",)
    if len(shape) <= len(leading):
        raise site.error(
            f"cotangent has {len(shape)} axes",
            "give (batch, channels, *spatial), or batched=False without a batch",
        )
    labels = (*leading, *(f"o{axis}" for axis in range(len(shape) - len(leading))))
    sizes = dict(zip(labels, shape, strict=True))
    kept = leading if per_example else ("d",)
    operand = Input("cotangent", plain(sizes, *labels))
    return Network.build((operand,), plain(sizes, *kept), sizes)


def conv_weight_jacobian(
    x_shape: Sequence[int],
    out_channels: int,
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the output's Jacobian in the weight, with input ``x``.

    The result has shape ([batch,] out_channels, *output_size, out_channels,
    in_channels/groups, *kernel_size); it is zero between different output channels.

    >>> conv_weight_jacobian((5, 2, 9), 4, 3).shape
    (5, 4, 7, 4, 2, 3)
    """
    site = Site.of("conv_weight_jacobian", x=x_shape)
    channels = site.whole("out_channels", out_channels, 0)
    geometry = geometry_of_kernel(site, channels, kernel_size, hyper)
    return remove(forward(geometry), "weight")


def conv_input_jvp(
    x_shape: Sequence[int], weight_shape: Weight, **hyper: Unpack[Hyper]
) -> Network:
    """The forward network with input ``x_tangent`` in the place of ``x``."""
    site = Site.of("conv_jvp", x=x_shape, weight=weight_shape)
    network = forward(conv_geometry(site, **hyper))
    return rename_inputs(network, {"x": "x_tangent"})


def conv_weight_jvp(
    x_shape: Sequence[int], weight_shape: Weight, **hyper: Unpack[Hyper]
) -> Network:
    """The forward network with input ``weight_tangent`` in the place of ``weight``."""
    site = Site.of("conv_jvp", x=x_shape, weight=weight_shape)
    network = forward(conv_geometry(site, **hyper))
    return renamed_array(network, "weight", "weight_tangent")


def conv_bias_jvp(
    bias_tangent_shape: Sequence[int],
    x_shape: Sequence[int],
    weight_shape: Weight,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network that repeats ``bias_tangent`` over batch and output positions."""
    site = Site.of(
        "conv_jvp",
        bias_tangent=bias_tangent_shape,
        x=x_shape,
        weight=weight_shape,
    )
    geometry = conv_geometry(site, **hyper)
    check_array(site, "bias_tangent", (geometry.out_channels,), "(out_channels,)")
    return bias_jvp(geometry, "d", "o")


def examples(geometry: Geometry, per_example: bool) -> tuple[str, ...]:
    """The label to keep for one gradient per example; unbatched there is none."""
    return ("n",) if per_example and geometry.batch is not None else ()


def geometry_of_kernel(
    site: Site, out_channels: int, kernel_size: Ints, hyper: Hyper
) -> Geometry:
    """The geometry where the kernel's spatial size and the output channels are given.

    The site knows the shape of ``x``.
    """
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    kernel = site.per_axis("kernel_size", kernel_size, axes, 1)
    channels = site.split("x", axes)[1]
    groups = site.groups(
        hyper.get("groups", 1), in_channels=channels, out_channels=out_channels
    )
    weight = (out_channels, channels // groups, *kernel)
    return conv_geometry(site.adding("weight", weight), **hyper)


def _from_cotangent(site: Site, kernel_size: Ints, hyper: Hyper) -> Geometry:
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    out_channels = site.split("cotangent", axes)[1]
    geometry = geometry_of_kernel(site, out_channels, kernel_size, hyper)
    check_array(site, "cotangent", geometry.output_shape, "the convolution's output")
    return geometry


def from_input_size(
    site: Site, input_size: Ints, batch: int | None, hyper: Hyper
) -> Geometry:
    """The geometry where the input's spatial size is given and the weight known."""
    _, per_group, kernel = site.weight()
    spatial = site.per_axis("input_size", input_size, len(kernel), 1)
    groups = site.groups(hyper.get("groups", 1))
    x = (*(() if batch is None else (batch,)), per_group * groups, *spatial)
    return conv_geometry(site.adding("x", x), **hyper)
