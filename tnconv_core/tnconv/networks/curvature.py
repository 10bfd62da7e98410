"""Kronecker factors of a layer's curvature: an array paired with a copy of itself.

The input factor pairs the unfolded input (:mod:`tnconv.networks.unfolded`), the output
factor the gradient of the loss in the layer's output. Both are the same pairing, and
scale, of examples, positions and features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal, Unpack

from tnconv.axis import Axis
from tnconv.edits import conjugated, pair
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import channels, plain
from tnconv.networks.unfolded import (
    Approximation,
    ConvFeatures,
    TransposedFeatures,
    Unfolded,
    transposed_unfolded,
    unfolded,
)

Normalization = Literal["none", "batch", "positions", "both"]
NORMALIZATIONS = ("none", "batch", "positions", "both")


def kfac_input_factor(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    **how: Unpack[ConvFeatures],
) -> Network:
    """The network of the input's Kronecker factor, with input ``x``.

    The result has shape (groups, features, features) with in_channels/groups *
    prod(kernel_size) features. "expand" shares the output position between the two
    copies, "reduce" sums over it in each. With ``bias`` the last row and column are
    left at 0: :func:`kfac_input_factor_terms` has the terms that fill them. An int
    ``kernel_size`` means a batched ``x``. Source: Dangel, *Convolutions and More as
    Einsum*, NeurIPS 2024.

    >>> kfac_input_factor((5, 2, 9), 3).shape
    (1, 6, 6)
    """
    return kfac_input_factor_terms(
        x_shape,
        kernel_size,
        approximation=approximation,
        normalization=normalization,
        **how,
    )[0]


def kfac_input_factor_terms(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    **how: Unpack[ConvFeatures],
) -> tuple[Network, ...]:
    """The networks whose sum is the input's factor: one, with a bias four.

    >>> len(kfac_input_factor_terms((5, 2, 9), 3, bias=True))
    4
    """
    site = Site.of("kfac_input_factor", x=x_shape)
    _check(site, approximation, normalization)
    patches = unfolded(site, kernel_size, how)
    return _factor_terms(patches, approximation, normalization)


def kfac_transpose_input_factor(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    **how: Unpack[TransposedFeatures],
) -> Network:
    """The network of the input's Kronecker factor in a transposed convolution.

    See :func:`kfac_input_factor`; positions are those of the layer's output.

    >>> kfac_transpose_input_factor((5, 2, 4), 3, stride=2).shape
    (1, 6, 6)
    """
    return kfac_transpose_input_factor_terms(
        x_shape,
        kernel_size,
        approximation=approximation,
        normalization=normalization,
        **how,
    )[0]


def kfac_transpose_input_factor_terms(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    **how: Unpack[TransposedFeatures],
) -> tuple[Network, ...]:
    """The networks whose sum is the input's factor: one, with a bias four."""
    site = Site.of("kfac_transpose_input_factor", x=x_shape)
    _check(site, approximation, normalization)
    patches = transposed_unfolded(site, kernel_size, how)
    return _factor_terms(patches, approximation, normalization)


def kfac_output_factor(
    cotangent_shape: Sequence[int],
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "none",
    loss_average: Normalization = "none",
    groups: int = 1,
    batched: bool = True,
    columns: bool = False,
) -> Network:
    """The network of the output's Kronecker factor, with input ``cotangent``.

    The result has shape (groups, out_channels/groups, out_channels/groups); see
    :func:`tnconv.kfac_output_factor`.

    >>> kfac_output_factor((5, 6, 7), groups=2).shape
    (2, 3, 3)
    """
    site = Site.of("kfac_output_factor", cotangent=cotangent_shape)
    _check(site, approximation, normalization)
    site.choice("loss_average", loss_average, NORMALIZATIONS)
    gradient = _gradient(site, groups, batched, columns)
    (factor,) = _factor_terms(gradient, approximation, normalization)
    count = _count(gradient, "expand", loss_average)
    return replace(factor, scale=factor.scale * count)


def _gradient(site: Site, groups: int, batched: bool, columns: bool) -> Unfolded:
    """A cotangent as an unfolded input: its output channels are the features."""
    shape = site.shapes["cotangent"]
    lead = (("v",) if columns else ()) + (("n",) if batched else ())
    if len(shape) <= len(lead):
        raise site.error(
            f"cotangent has {len(shape)} axes",
            "give ([columns,] [batch,] channels, *spatial), and say by columns and "
            "batched which of the first two it has",
        )
    groups = site.groups(groups, out_channels=shape[len(lead)])
    positions = tuple(f"o{axis}" for axis in range(len(shape) - len(lead) - 1))
    sizes = dict(zip((*lead, "d", *positions), shape, strict=True))
    sizes |= {"g": groups, "d": sizes["d"] // groups}
    axes = (*plain(sizes, *lead), channels(sizes, "d"), *plain(sizes, *positions))
    labels = (*lead, "g", *positions, "d")
    network = Network.build((Input("cotangent", axes),), plain(sizes, *labels), sizes)
    return Unfolded(network, lead, ("g",), positions, ("d",), False)


def _check(site: Site, approximation: str, normalization: str) -> None:
    site.choice("approximation", approximation, ("expand", "reduce"))
    site.choice("normalization", normalization, NORMALIZATIONS)


def _factor_terms(
    unfolded: Unfolded, approximation: Approximation, normalization: Normalization
) -> tuple[Network, ...]:
    """The pairing of an unfolded input with its copy, and what a bias adds to it."""
    shared = (*unfolded.examples, *unfolded.blocks)
    if approximation == "expand":
        shared += unfolded.positions
    both = pair(unfolded.network, shared=shared)
    scale = Fraction(1, _count(unfolded, approximation, normalization))
    axes = (unfolded.block_axis, unfolded.feature_axis(), unfolded.feature_axis("'"))
    factor = Network.build(both.operands, axes, both.sizes, both.scale * scale)
    if not unfolded.bias:
        return (factor,)
    return factor, *_border(unfolded, approximation, scale)


def _border(
    unfolded: Unfolded, approximation: Approximation, scale: Fraction
) -> tuple[Network, ...]:
    """The last column, the last row and the corner: every patch times the number 1.

    "reduce" sums that number over positions too.
    """
    network, bias = unfolded.network, unfolded.bias_axis
    positions = unfolded.sizes_of(unfolded.positions)
    scale *= positions if approximation == "reduce" else 1

    def placed(network: Network, *axes: Axis) -> Network:
        output = (unfolded.block_axis, *axes)
        by = network.scale * scale
        return Network.build(network.operands, output, network.sizes, by)

    column = placed(network, unfolded.feature_axis(), bias)
    row = placed(conjugated(network), bias, unfolded.feature_axis())
    terms = positions * unfolded.sizes_of(unfolded.examples)
    corner = Network.build(
        (), (unfolded.block_axis, bias, bias), network.sizes, terms * scale
    )
    return column, row, corner


def _count(
    unfolded: Unfolded, approximation: Approximation, normalization: Normalization
) -> int:
    """What the sum is divided by; an empty sum is left as it is.

    Columns (of a square root of the loss's curvature) are always summed.
    """
    batch = unfolded.network.sizes.get("n", 1) if "n" in unfolded.examples else 1
    positions = unfolded.sizes_of(unfolded.positions)
    positions **= 2 if approximation == "reduce" else 1
    over = {"none": 1, "batch": batch, "positions": positions}
    over["both"] = batch * positions
    return max(1, over[normalization])
