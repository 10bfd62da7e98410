"""Unfold, fold, their transposed kin, and the matrix of a convolution.

The same network with an operand removed and its legs left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import find_input, transpose
from tnconv.network import Network
from tnconv.networks.checks import Ints, Site, Weight, is_list
from tnconv.networks.conv import (
    batch_legs,
    composite,
    forward,
    label_sizes,
    legs,
    plain,
)
from tnconv.networks.geometry import (
    Geometry,
    Hyper,
    TransposedHyper,
    conv_geometry,
    transposed_geometry,
)
from tnconv.networks.gradient import from_input_size


def unfold(
    x_shape: Sequence[int], kernel_size: Ints, **hyper: Unpack[Hyper]
) -> Network:
    """The network of im2col, with input ``x``.

    The result has shape ([batch,] channels * prod(kernel_size), prod(output_size)),
    channels outermost as in ``torch.nn.functional.unfold``, for any number of spatial
    axes. An int ``kernel_size`` means a batched ``x``. ``groups`` does not apply.

    >>> unfold((5, 2, 9), 3).shape
    (5, 6, 7)
    """
    site = Site.of("unfold", x=x_shape)
    return _columns(_one_channel_out(site, kernel_size, hyper))


def fold(
    columns_shape: Sequence[int],
    output_size: Ints,
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of col2im, the transpose of :func:`unfold`, with input ``columns``.

    ``columns_shape`` is ([batch,] channels * prod(kernel_size), positions); the result
    has shape ([batch,] channels, *output_size). ``output_size`` or ``kernel_size`` is a
    tuple, and says how many spatial axes there are.

    >>> fold((5, 6, 7), (9,), 3).shape
    (5, 2, 9)
    """
    site = Site.of("fold", columns=columns_shape)
    shape = site.shapes["columns"]
    tuples = [s for s in (output_size, kernel_size) if is_list(s)]
    if len(shape) not in (2, 3) or not tuples:
        raise site.error(
            f"columns has {len(shape)} axes, sizes are {output_size}, {kernel_size}",
            "give ([batch,] rows, positions) and one of the sizes as a tuple",
        )
    axes = site.spatial_axes(
        "columns", output_size=output_size, kernel_size=kernel_size
    )
    kernel = site.per_axis("kernel_size", kernel_size, axes, 1)
    spatial = site.per_axis("output_size", output_size, axes, 1)
    channels, rest = divmod(shape[-2], prod(kernel))
    if rest:
        raise site.error(
            f"columns has {shape[-2]} rows, no multiple of prod(kernel_size)="
            f"{prod(kernel)}",
            "give channels * prod(kernel_size) rows",
        )
    x = (*shape[:-2], channels, *spatial)
    network = _columns(_one_channel_out(site.adding("x", x), kernel, hyper))
    if network.shape != shape:
        raise site.error(
            f"columns has {shape[-1]} positions, the kernel stands at "
            f"{network.shape[-1]}",
            "change output_size or the hyper-parameters",
        )
    return transpose(network, "x", "columns")


def unfold_transpose(
    x_shape: Sequence[int], kernel_size: Ints, **hyper: Unpack[TransposedHyper]
) -> Network:
    """The network of the unfolded input of a transposed convolution, with input ``x``.

    The result has shape ([batch,] channels * prod(kernel_size), prod(output_size));
    the product of the weight as a matrix with it is the transposed convolution. Source:
    Dangel, *Convolutions and More as Einsum*, NeurIPS 2024. ``groups`` does not apply.

    >>> unfold_transpose((5, 2, 4), 3, stride=2).shape
    (5, 6, 9)
    """
    site = Site.of("unfold_transpose", x=x_shape)
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    kernel = site.per_axis("kernel_size", kernel_size, axes, 1)
    _no_groups(site, hyper)
    weight = (site.split("x", axes)[1], 1, *kernel)
    geometry = transposed_geometry(site.adding("weight", weight), **hyper)
    sizes = label_sizes(geometry)
    network = transpose(forward(geometry), "x", "x")
    rows = composite(sizes, "g", "d", *legs("k", axes))
    columns = composite(sizes, *legs("i", axes))
    return _without(network, "weight", _batched(geometry, sizes, rows, columns))


def toeplitz(weight_shape: Weight, input_size: Ints, **hyper: Unpack[Hyper]) -> Network:
    """The network of the matrix a convolution is, with input ``weight``.

    The result has shape (out_channels * prod(output_size), in_channels *
    prod(input_size)): the Jacobian of the flattened output of one example in its
    flattened input, block-diagonal over groups.

    >>> toeplitz((4, 2, 3), 9).shape
    (28, 18)
    """
    site = Site.of("toeplitz", weight=weight_shape)
    geometry = from_input_size(site, input_size, None, hyper)
    sizes = label_sizes(geometry)
    rows = composite(sizes, "g", "d", *legs("o", geometry.axes))
    columns = composite(sizes, "g", "c", *legs("i", geometry.axes))
    return _without(forward(geometry), "x", (rows, columns))


def _one_channel_out(site: Site, kernel_size: Ints, hyper: Hyper) -> Geometry:
    """The geometry of a convolution with any weight of one output channel."""
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    kernel = site.per_axis("kernel_size", kernel_size, axes, 1)
    _no_groups(site, hyper)
    weight = (1, site.split("x", axes)[1], *kernel)
    return conv_geometry(site.adding("weight", weight), **hyper)


def _no_groups(site: Site, hyper: Hyper | TransposedHyper) -> None:
    if hyper.get("groups", 1) != 1:
        raise site.error("groups is given", "leave it out: every channel is unfolded")


def _columns(geometry: Geometry) -> Network:
    sizes = label_sizes(geometry)
    rows = composite(sizes, "g", "c", *legs("k", geometry.axes))
    columns = composite(sizes, *legs("o", geometry.axes))
    return _without(
        forward(geometry), "weight", _batched(geometry, sizes, rows, columns)
    )


def _batched(
    geometry: Geometry, sizes: dict[str, int], *axes: Axis
) -> tuple[Axis, ...]:
    return (*plain(sizes, *batch_legs(geometry)), *axes)


def _without(network: Network, name: str, output: tuple[Axis, ...]) -> Network:
    """Take an input out and say which of the open legs make up which axis."""
    at = find_input(network, name)
    kept = network.operands[:at] + network.operands[at + 1 :]
    return network.with_operands(kept, output)
