"""Products of a layer's curvature with one vector, the matrix never formed.

The network of the matrix, with a vector attached to the labels of its columns. What the
planner makes of it is forward mode, the curvature, and a VJP, or another order where
that is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import attach
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import check_array, composite, legs, plain
from tnconv.networks.geometry import Hyper
from tnconv.networks.layer import CONV, Hypers, Kind
from tnconv.networks.quadratic import copied, ggn_rows, paired


def ggn_product(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    vector_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the GGN times a vector shaped like the weight.

    Inputs are ``x``, ``sqrt_curvature`` (v, [batch,] out_channels, *output_size) and
    ``vector``; the result has the weight's shape.

    >>> ggn_product((5, 2, 9), (10, 5, 4, 7), (4, 2, 3), 3).shape
    (4, 2, 3)
    """
    site = applied("ggn_product", x_shape, sqrt_curvature_shape, vector_shape)
    return block_product(site, kernel_size, CONV, hyper)


def block_product(site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers) -> Network:
    """A layer's block of the GGN times a vector."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    expected = tuple(axis.size for axis in layer.weight)
    check_array(site, "vector", expected, "the weight")
    return _applied(rows, ("v", *layer.examples), layer.weight)


def gram_product(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    vector_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the Gram matrix times a vector of shape (v, [batch]).

    Inputs are ``x``, ``sqrt_curvature`` (v, [batch,] out_channels, *output_size) and
    ``vector``; the result is shaped like ``vector``.

    >>> gram_product((5, 2, 9), (10, 5, 4, 7), (10, 5), 3).shape
    (10, 5)
    """
    site = applied("gram_product", x_shape, sqrt_curvature_shape, vector_shape)
    return rows_product(site, kernel_size, CONV, hyper)


def rows_product(site: Site, kernel_size: Ints, kind: Kind, hyper: Hypers) -> Network:
    """The Gram matrix of a layer's rows times a vector."""
    layer, rows = ggn_rows(site, kernel_size, kind, hyper)
    row = plain(dict(rows.sizes), "v", *layer.examples)
    check_array(site, "vector", tuple(axis.size for axis in row), "(v, [batch])")
    return _applied(rows, layer.flat_weight.labels, row)


def applied(
    name: str, x: Sequence[int], sqrt_curvature: Sequence[int], vector: Sequence[int]
) -> Site:
    """The site of a matrix of the rows, times a vector."""
    return Site.of(name, x=x, sqrt_curvature=sqrt_curvature, vector=vector)


def kfac_product(
    input_factor_shape: Sequence[int],
    output_factor_shape: Sequence[int],
    vector_shape: Sequence[int],
) -> Network:
    """The network of a Kronecker product of factors times a vector.

    Inputs are ``input_factor`` (groups, a, a), ``output_factor`` (groups, d, d) and
    ``vector``, shaped like the weight: (groups * d, c, *kernel_size) where ``a = c *
    prod(kernel_size)``. The result has the shape of ``vector``.

    >>> kfac_product((1, 6, 6), (1, 4, 4), (4, 2, 3)).shape
    (4, 2, 3)
    """
    site = Site.of(
        "kfac_product",
        input_factor=input_factor_shape,
        output_factor=output_factor_shape,
        vector=vector_shape,
    )
    return factors_product(site, "c", "d")


def factors_product(site: Site, reads: str, makes: str) -> Network:
    """The same with the channel labels that a layer reads and makes; the weight's axes
    are (g d), c and the kernel's."""
    vector, factor = site.shapes["vector"], site.shapes["input_factor"]
    if len(vector) < 2 or not factor:
        raise site.error(
            f"vector has {len(vector)} axes, input_factor {len(factor)}",
            "give a vector shaped like a weight, and factors (groups, rows, rows)",
        )
    groups = site.groups(factor[0], channels=vector[0])
    axes = legs("k", len(vector) - 2)
    sizes = {"g": groups, "d": vector[0] // groups, "c": vector[1]}
    sizes |= dict(zip(axes, vector[2:], strict=True))
    inner, out = prod(sizes[label] for label in (reads, *axes)), sizes[makes]
    sizes |= {f"{a}'": size for a, size in sizes.items()}
    check_array(site, "input_factor", (groups, inner, inner), "(groups, a, a)")
    check_array(site, "output_factor", (groups, out, out), "(groups, d, d)")
    weight = (composite(sizes, "g", "d"), *plain(sizes, "c", *axes))
    rows = composite(sizes, reads, *axes)
    group, other = plain(sizes, "g"), copied((rows,), ())
    operands = (
        Input("input_factor", (*group, rows, *other)),
        Input("output_factor", (*group, *plain(sizes, makes, f"{makes}'"))),
        Input("vector", copied(weight, ("g",))),
    )
    return Network.build(operands, weight, sizes)


def _applied(rows: Network, shared: tuple[str, ...], axes: tuple[Axis, ...]) -> Network:
    """The matrix of a pair, on ``axes`` and their copies, times an input ``vector``."""
    matrix = paired(rows, shared, (*copied(axes, shared), *axes))
    return attach(matrix, "vector", len(axes))
