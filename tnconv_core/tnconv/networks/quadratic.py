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
from tnconv.edits import batch, pair
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import check_array, composite, plain
from tnconv.networks.geometry import Hyper
from tnconv.networks.layer import CONV, Hypers, Kind, Layer


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
    return squared_norm(site, kernel_size, CONV, hyper)


def squared_norm(site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers) -> Network:
    """The same for a layer of any kind; so are the other functions on a site."""
    layer = kind.of_output(site, "cotangent", (), kernel_size, hyper)
    gradient = layer.gradient("cotangent")
    axes = plain(dict(gradient.sizes), *layer.examples)
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
    site = rooted("ggn_diagonal", x_shape, sqrt_curvature_shape)
    return diagonal(site, kernel_size, per_example, CONV, hyper)


def diagonal(
    site: Site, kernel_size: Ints, per_example: bool, kind: Kind, hyper: Hypers
) -> Network:
    """The diagonal of the GGN."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    kept = plain(dict(rows.sizes), *layer.kept(per_example))
    return paired(rows, rows.output_labels, (*kept, *layer.weight))


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
    site = rooted("ggn_block", x_shape, sqrt_curvature_shape)
    return block(site, kernel_size, CONV, hyper)


def block(site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers) -> Network:
    """The layer's block of the GGN."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    shared, weight = ("v", *layer.examples), (layer.flat_weight,)
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
    site = rooted("gram", x_shape, sqrt_curvature_shape)
    return rows_gram(site, kernel_size, CONV, hyper)


def rows_gram(site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers) -> Network:
    """The inner products of the rows of a layer."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    shared = layer.flat_weight.labels
    row = (composite(dict(rows.sizes), "v", *layer.examples),)
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
    return outputs_gram(site, out_channels, kernel_size, CONV, hyper)


def outputs_gram(
    site: Site, out_channels: int, kernel_size: Ints, kind: Kind, hyper: Hypers
) -> Network:
    """A layer's weight Jacobian times its adjoint."""
    channels = site.whole("out_channels", out_channels, 0)
    layer = kind.of_kernel(site, channels, kernel_size, hyper)
    jacobian, shared = layer.jacobian("weight"), layer.flat_weight.labels
    labels = (label for axis in layer.network.output for label in axis.labels)
    row = (composite(dict(jacobian.sizes), *labels),)
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
    return rotated_diagonal(site, kernel_size, CONV, hyper)


def rotated_diagonal(
    site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers
) -> Network:
    """The diagonal of the GGN in bases of what a layer reads and of what it makes."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    sizes, groups = dict(rows.sizes), rows.sizes["g"]
    spans = {"input": layer.feature_labels, "output": (layer.makes,)}
    bases = []
    for side, labels in spans.items():
        shape, column = site.shapes[f"{side}_basis"], side[0] + "b"
        inner = prod(sizes[label] for label in labels)
        columns = shape[2] if len(shape) == 3 else inner
        expected = (groups, inner, columns)
        check_array(site, f"{side}_basis", expected, "(groups, rows, basis vectors)")
        sizes[column] = columns
        axes = (*plain(sizes, "g"), composite(sizes, *labels), *plain(sizes, column))
        bases.append(Input(f"{side}_basis", axes, conjugate=True))
    output = plain(sizes, "v", *layer.examples, "g", "ob", "ib")
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


def ggn_rows(
    site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers
) -> tuple[Layer, Network]:
    """The layer of a site, and the rows: axes v, the batch, those of the weight."""
    shape = site.shapes["sqrt_curvature"]
    layer = kind.of_output(site, "sqrt_curvature", shape[:1], kernel_size, hyper)
    gradient = layer.gradient("sqrt_curvature")
    return layer, batch(gradient, ("sqrt_curvature",), shape[0])


def rooted(name: str, x: Sequence[int], sqrt_curvature: Sequence[int]) -> Site:
    """The site of an operation on an input and a square root of the curvature."""
    return Site.of(name, x=x, sqrt_curvature=sqrt_curvature)
