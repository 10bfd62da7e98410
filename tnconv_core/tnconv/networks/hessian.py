"""Hessians of the loss, pulled back through a convolution.

A convolution is linear in its input and in its weight, so the loss's Hessian at the
output, between two copies of a Jacobian, is the Hessian at the input, the weight or the
bias: exact, position by position. Its diagonal alone does not pass through exactly;
what is passed on here is that of a diagonal Hessian, as Becker and LeCun do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import attach
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site, Weight
from tnconv.networks.conv import check_array, legs, plain
from tnconv.networks.geometry import Hyper
from tnconv.networks.layer import CONV, Hypers, Kind, Layer
from tnconv.networks.quadratic import copied, paired


def input_hessian(
    weight_shape: Weight,
    hessian_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the loss's Hessian at the input, with ``weight`` and ``hessian``.

    ``hessian_shape`` is ([batch,] out_channels, *output_size, out_channels,
    *output_size); the result has shape ([batch,] in_channels, *input_size, in_channels,
    *input_size).

    >>> input_hessian((4, 2, 3), (5, 4, 7, 4, 7), 9).shape
    (5, 2, 9, 2, 9)
    """
    site = Site.of("input_hessian", weight=weight_shape, hessian=hessian_shape)
    return hessian_of_input(site, input_size, CONV, hyper)


def hessian_of_input(
    site: Site, input_size: Ints, kind: Kind, hyper: Hypers
) -> Network:
    """The Hessian at a layer's input."""
    batch = _batch(site, len(site.weight()[2]))
    layer = kind.of_input(site, input_size, batch, hyper)
    return _pulled(site, layer, "x", layer.own_input, layer.examples)


def hessian_block(
    x_shape: Sequence[int],
    hessian_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the loss's Hessian in the weight, with ``x`` and ``hessian``.

    ``hessian_shape`` is ([batch,] out_channels, *output_size, out_channels,
    *output_size). The result is a square matrix, a row for each entry of the flattened
    weight, with the batch as an axis before it if ``per_example``.

    >>> hessian_block((5, 2, 9), (5, 4, 7, 4, 7), 3).shape
    (24, 24)
    """
    site = Site.of("hessian_block", x=x_shape, hessian=hessian_shape)
    return hessian_of_weight(site, kernel_size, per_example, CONV, hyper)


def hessian_of_weight(
    site: Site, kernel_size: Ints, per_example: bool, kind: Kind, hyper: Hypers
) -> Network:
    """The Hessian in a layer's weight."""
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    batch, shape = _batch(site, axes), site.shapes["hessian"]
    out_channels = shape[0 if batch is None else 1]
    layer = kind.of_kernel(site, out_channels, kernel_size, hyper)
    kept = layer.kept(per_example)
    return _pulled(site, layer, "weight", (layer.flat_weight,), kept)


def bias_hessian(
    hessian_shape: Sequence[int], *, per_example: bool = False, batched: bool = True
) -> Network:
    """The network of the loss's Hessian in the bias, with input ``hessian``.

    ``hessian_shape`` is (batch, channels, *spatial, channels, *spatial), without the
    batch where ``batched`` is false: it is summed over both positions. The result has
    shape (channels, channels), with the batch before it if ``per_example``.

    >>> bias_hessian((5, 4, 7, 4, 7)).shape
    (4, 4)
    """
    site = Site.of("bias_hessian", hessian=hessian_shape)
    shape = site.shapes["hessian"]
    lead, own = ("n",) if batched else (), shape[1:] if batched else shape
    half = len(own) // 2
    if half < 2 or own != own[:half] * 2:
        raise site.error(
            f"hessian has shape {shape}",
            "give (batch, channels, *spatial, channels, *spatial), or batched=False "
            "without a batch",
        )
    labels = ("d", *legs("o", half - 1))
    every = (*lead, *labels, *(f"{a}'" for a in labels))
    sizes = dict(zip(every, shape, strict=True))
    kept = lead if per_example else ()
    operand = Input("hessian", plain(sizes, *every))
    return Network.build((operand,), plain(sizes, *kept, "d", "d'"), sizes)


def hessian_diagonal(
    x_shape: Sequence[int],
    diagonal_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the Hessian's diagonal in the weight, with ``x``, ``diagonal``.

    ``diagonal_shape`` is that of the output: ([batch,] out_channels, *output_size). The
    result has the weight's shape, with the batch before it if ``per_example``.

    >>> hessian_diagonal((5, 2, 9), (5, 4, 7), 3).shape
    (4, 2, 3)
    """
    site = Site.of("hessian_diagonal", x=x_shape, diagonal=diagonal_shape)
    return diagonal_of_weight(site, kernel_size, per_example, CONV, hyper)


def diagonal_of_weight(
    site: Site, kernel_size: Ints, per_example: bool, kind: Kind, hyper: Hypers
) -> Network:
    """The Hessian's diagonal in a layer's weight."""
    layer = kind.of_output(site, "diagonal", (), kernel_size, hyper)
    return _diagonal(layer, "weight", layer.kept(per_example))


def input_hessian_diagonal(
    weight_shape: Weight,
    diagonal_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the Hessian's diagonal at the input: ``weight``, ``diagonal``.

    ``diagonal_shape`` is that of the output: ([batch,] out_channels, *output_size). The
    result has shape ([batch,] in_channels, *input_size).

    >>> input_hessian_diagonal((4, 2, 3), (5, 4, 7), 9).shape
    (5, 2, 9)
    """
    site = Site.of(
        "input_hessian_diagonal", weight=weight_shape, diagonal=diagonal_shape
    )
    return diagonal_of_input(site, input_size, CONV, hyper)


def diagonal_of_input(
    site: Site, input_size: Ints, kind: Kind, hyper: Hypers
) -> Network:
    """The Hessian's diagonal at a layer's input."""
    batch = site.split("diagonal", len(site.weight()[2]))[0]
    layer = kind.of_input(site, input_size, batch, hyper)
    check_array(site, "diagonal", layer.output_shape, "the layer's output")
    return _diagonal(layer, "x", ())


def _batch(site: Site, axes: int) -> int | None:
    """The batch of the array ``hessian``, None where it has none."""
    shape = site.shapes["hessian"]
    lead = len(shape) - 2 * (1 + axes)
    if lead not in (0, 1):
        raise site.error(
            f"hessian has {len(shape)} axes for {axes} spatial ones",
            "give ([batch,] out_channels, *output_size, out_channels, *output_size)",
        )
    return shape[0] if lead else None


def _pulled(
    site: Site, layer: Layer, name: str, own: tuple[Axis, ...], kept: tuple[str, ...]
) -> Network:
    """The Hessian between the Jacobian and its copy, over ``own`` axes and copies."""
    batch, out = layer.examples, layer.network.output
    out += copied(out[len(batch) :], batch)
    expected = tuple(axis.size for axis in out)
    check_array(site, "hessian", expected, "twice the layer's output")
    both = paired(layer.jacobian(name), batch, (*out, *own, *copied(own, batch)))
    return attach(both, "hessian", len(out), keep=kept)


def _diagonal(layer: Layer, name: str, kept: tuple[str, ...]) -> Network:
    """A diagonal Hessian between the Jacobian and its copy, at equal positions."""
    jacobian = layer.jacobian(name)
    both = paired(jacobian, jacobian.output_labels, jacobian.output)
    return attach(both, "diagonal", len(layer.output_shape), keep=kept)
