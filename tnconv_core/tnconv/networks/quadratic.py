"""Quadratic curvature quantities of a convolution's weight: its gradient, paired.

The weight's gradient is the forward network transposed. With one more leg ``v`` on the
cotangent it becomes the *rows*: the Jacobian times a square root ``S`` of the loss's
curvature at the output, where ``v`` counts classes or samples. Every quantity here is
such a network times a conjugated copy of itself; they differ in the labels the copies
share and in those that are kept. What is contracted first is left to the planner.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import batch, pair, remove, transpose
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import (
    activation,
    batch_legs,
    check_array,
    composite,
    forward,
    label_sizes,
    legs,
    plain,
)
from tnconv.networks.geometry import Geometry, Hyper
from tnconv.networks.gradient import examples, geometry_of_kernel


def conv_weight_vjp_squared_norm(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of each example's squared gradient norm.

    Inputs are ``x`` and ``cotangent``; the result has shape (batch,), and () without a
    batch. Gradients formed and squared, and Gram matrices of inputs and of cotangents
    over output positions, are two orders of this one network.

    >>> conv_weight_vjp_squared_norm((5, 2, 9), (5, 4, 7), 3).shape
    (5,)
    """
    name = "conv_weight_vjp_squared_norm"
    site = Site.of(name, x=x_shape, cotangent=cotangent_shape)
    geometry = geometry_of_output(site, "cotangent", (), kernel_size, hyper)
    kept = batch_legs(geometry)
    gradient = transpose(forward(geometry), "weight", "cotangent", keep=kept)
    axes = plain(label_sizes(geometry), *kept)
    return paired(gradient, gradient.output_labels, axes)


def ggn_diagonal(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the GGN's diagonal, with inputs ``x`` and ``sqrt_curvature``.

    ``sqrt_curvature_shape`` is (v, [batch,] out_channels, *output_size). The result has
    the weight's shape, with the batch as an axis before it if ``per_example``.

    >>> ggn_diagonal((5, 2, 9), (10, 5, 4, 7), 3).shape
    (4, 2, 3)
    """
    site = _site("ggn_diagonal", x_shape, sqrt_curvature_shape)
    geometry, rows = ggn_rows(site, kernel_size, hyper)
    kept = plain(label_sizes(geometry), *examples(geometry, per_example))
    weight = rows.output[-2 - geometry.axes :]
    return paired(rows, rows.output_labels, (*kept, *weight))


def ggn_block(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the layer's block of the GGN, with ``x`` and ``sqrt_curvature``.

    The result is a square matrix, a row for each entry of the flattened weight;
    different groups have entries in common.

    >>> ggn_block((5, 2, 9), (10, 5, 4, 7), 3).shape
    (24, 24)
    """
    site = _site("ggn_block", x_shape, sqrt_curvature_shape)
    geometry, rows = ggn_rows(site, kernel_size, hyper)
    shared = ("v", *batch_legs(geometry))
    weight = (flat_weight(geometry),)
    return paired(rows, shared, (*weight, *copied(weight, shared)))


def gram(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the GGN's Gram matrix, with ``x`` and ``sqrt_curvature``.

    The result is a square matrix with a row for each ``v`` and example, ``v``
    outermost: the inner products of the rows whose outer products add up to the GGN.

    >>> gram((5, 2, 9), (10, 5, 4, 7), 3).shape
    (50, 50)
    """
    site = _site("gram", x_shape, sqrt_curvature_shape)
    geometry, rows = ggn_rows(site, kernel_size, hyper)
    shared = flat_weight(geometry).labels
    row = (composite(dict(rows.sizes), "v", *batch_legs(geometry)),)
    return paired(rows, shared, (*row, *copied(row, shared)))


def jacobian_gram(
    x_shape: Sequence[int],
    out_channels: int,
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the weight Jacobian times its adjoint, with input ``x``.

    The result is a square matrix, a row for each entry of the flattened output; it is
    zero between different output channels.

    >>> jacobian_gram((5, 2, 9), 4, 3).shape
    (140, 140)
    """
    site = Site.of("jacobian_gram", x=x_shape)
    channels = site.whole("out_channels", out_channels, 0)
    geometry = geometry_of_kernel(site, channels, kernel_size, hyper)
    jacobian = remove(forward(geometry), "weight")
    shared, sizes = flat_weight(geometry).labels, label_sizes(geometry)
    out = activation(geometry, "d", "o", sizes)
    row = (composite(sizes, *(label for axis in out for label in axis.labels)),)
    return paired(jacobian, shared, (*row, *copied(row, shared)))


def ekfac_correction(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    input_basis_shape: Sequence[int],
    output_basis_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the GGN's diagonal in the eigenbases of its Kronecker factors.

    Inputs are ``x``, ``sqrt_curvature``, ``input_basis`` (groups, c *
    prod(kernel_size), q) and ``output_basis`` (groups, d, p), with ``c`` and ``d`` the
    channels of one group; columns are basis vectors. The result has shape (groups, p,
    q).

    >>> ekfac_correction((5, 2, 9), (10, 5, 4, 7), (1, 6, 6), (1, 4, 4), 3).shape
    (1, 4, 6)
    """
    site = Site.of(
        "ekfac_correction",
        x=x_shape,
        sqrt_curvature=sqrt_curvature_shape,
        input_basis=input_basis_shape,
        output_basis=output_basis_shape,
    )
    geometry, rows = ggn_rows(site, kernel_size, hyper)
    sizes = dict(rows.sizes)
    spans = {"input": ("c", *legs("k", geometry.axes)), "output": ("d",)}
    bases = []
    for side, labels in spans.items():
        shape, column = site.shapes[f"{side}_basis"], side[0] + "b"
        inner = prod(sizes[label] for label in labels)
        columns = shape[2] if len(shape) == 3 else inner
        expected = (geometry.groups, inner, columns)
        check_array(site, f"{side}_basis", expected, "(groups, rows, basis vectors)")
        sizes[column] = columns
        axes = (*plain(sizes, "g"), composite(sizes, *labels), *plain(sizes, column))
        bases.append(Input(f"{side}_basis", axes, conjugate=True))
    output = plain(sizes, "v", *batch_legs(geometry), "g", "ob", "ib")
    rotated = Network.build((*rows.operands, *bases), output, sizes, rows.scale)
    return paired(rotated, rotated.output_labels, output[-3:])


def paired(network: Network, shared: Iterable[str], axes: Iterable[Axis]) -> Network:
    """The network times its conjugated copy, with these output axes."""
    both = pair(network, shared=shared)
    return both.with_operands(both.operands, axes)


def copied(axes: Iterable[Axis], shared: Iterable[str]) -> tuple[Axis, ...]:
    """The axes as the copy of a pair has them: labels that are not shared get a
    prime."""
    shared = set(shared)
    return tuple(
        axis.rename({a: f"{a}'" for a in axis.labels if a not in shared})
        for axis in axes
    )


def flat_weight(geometry: Geometry) -> Axis:
    """The flattened weight as one axis."""
    labels = ("g", "d", "c", *legs("k", geometry.axes))
    return composite(label_sizes(geometry), *labels)


def ggn_rows(site: Site, kernel_size: Ints, hyper: Hyper) -> tuple[Geometry, Network]:
    """The geometry of a site, and the rows: axes v, the batch, those of the weight."""
    shape = site.shapes["sqrt_curvature"]
    geometry = geometry_of_output(site, "sqrt_curvature", shape[:1], kernel_size, hyper)
    kept = batch_legs(geometry)
    gradient = transpose(forward(geometry), "weight", "sqrt_curvature", keep=kept)
    return geometry, batch(gradient, ("sqrt_curvature",), shape[0])


def geometry_of_output(
    site: Site, name: str, leading: tuple[int, ...], kernel_size: Ints, hyper: Hyper
) -> Geometry:
    """The geometry where array ``name`` has ``leading`` axes, then an output's."""
    axes = site.spatial_axes("x", kernel_size=kernel_size)
    batched = site.spatial_rank("x", axes) - 1
    shape, first = site.shapes[name], len(leading) + batched
    if len(shape) != first + 1 + axes:
        wanted = ("v, " * len(leading)) + ("batch, " * batched)
        raise site.error(
            f"{name} has {len(shape)} axes, x has {axes} spatial ones",
            f"give ({wanted}out_channels, *output_size)",
        )
    geometry = geometry_of_kernel(site, shape[first], kernel_size, hyper)
    expected = (*leading, *geometry.output_shape)
    check_array(site, name, expected, "the convolution's output asks for")
    return geometry


def _site(name: str, x: Sequence[int], sqrt_curvature: Sequence[int]) -> Site:
    return Site.of(name, x=x, sqrt_curvature=sqrt_curvature)
