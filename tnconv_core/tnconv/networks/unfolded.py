"""Unfolded inputs: what a convolution multiplies its weight with, as a value.

The unfolded input is the forward network with the kernel taken out and its legs left
open. An :class:`Unfolded` says which labels are examples, blocks, positions and
features, so that everything made of one (un-squared factors here, Kronecker factors in
:mod:`tnconv.networks.curvature`) is the same for convolutions and transposed ones.

A bias is one more feature, the constant 1. It is a second term of a sum and no factor
of a product, so what has one is several networks, whose results are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, TypedDict, Unpack, cast

from tnconv.axis import Axis
from tnconv.edits import find_input
from tnconv.network import Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import batch_legs, composite, forward, legs, plain
from tnconv.networks.geometry import Geometry, Hyper, TransposedHyper
from tnconv.networks.gradient import geometry_of_kernel
from tnconv.networks.transposed import transposed_forward, transposed_of_kernel

Approximation = Literal["expand", "reduce"]
Grouping = Literal["block", "average"]
Outermost = Literal["channel", "kernel"]


class Features(TypedDict, total=False):
    """What a feature of an unfolded input is, as keywords."""

    bias: bool
    grouping: Grouping
    outermost: Outermost


class ConvFeatures(Features, Hyper, total=False):
    """The same with the hyper-parameters of a convolution."""


class TransposedFeatures(Features, TransposedHyper, total=False):
    """The same with the hyper-parameters of a transposed convolution."""


@dataclass(frozen=True, slots=True)
class Unfolded:
    """An unfolded input, an axis for each label, and what the labels are.

    ``blocks`` is the group label, or nothing where groups are averaged; ``features``
    are channel and kernel labels, outermost first; ``bias`` makes room for one feature
    more, the last one.
    """

    network: Network
    examples: tuple[str, ...]
    blocks: tuple[str, ...]
    positions: tuple[str, ...]
    features: tuple[str, ...]
    bias: bool

    def sizes_of(self, labels: tuple[str, ...]) -> int:
        """How many values some labels have together."""
        return prod(self.network.sizes[label] for label in labels)

    @property
    def block_axis(self) -> Axis:
        """The axis of blocks, one for all groups where these are averaged."""
        return composite(dict(self.network.sizes), *self.blocks)

    def feature_axis(self, prime: str = "") -> Axis:
        """The axis of features; ``prime`` ends the labels of a second copy."""
        sizes = {label + prime: size for label, size in self.network.label_sizes}
        rows = self.sizes_of(self.features) + self.bias
        return Axis.of(rows, *(label + prime for label in self.features), sizes=sizes)

    @property
    def bias_axis(self) -> Axis:
        """The constant feature on the axis of features."""
        rows = self.sizes_of(self.features)
        return Axis(rows + 1, (), rows)


def unfolded_inputs(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    **how: Unpack[ConvFeatures],
) -> Network:
    """The network of a convolution's un-squared factor, with input ``x``.

    The result has shape ([batch,] groups, positions, features) for "expand", and
    without positions, the mean over them, for "reduce". With ``bias`` the last feature
    is left at 0: :func:`unfolded_inputs_terms` has the term that makes it 1.

    >>> unfolded_inputs((5, 2, 9), 3).shape
    (5, 1, 7, 6)
    """
    return unfolded_inputs_terms(
        x_shape, kernel_size, approximation=approximation, **how
    )[0]


def unfolded_inputs_terms(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    **how: Unpack[ConvFeatures],
) -> tuple[Network, ...]:
    """The networks whose sum is the un-squared factor: one, with a bias two."""
    site = Site.of("unfolded_inputs", x=x_shape)
    return _terms(site, unfolded(site, kernel_size, how), approximation)


def unfolded_transpose_inputs(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    **how: Unpack[TransposedFeatures],
) -> Network:
    """The network of a transposed convolution's un-squared factor, with input ``x``.

    See :func:`unfolded_inputs`.

    >>> unfolded_transpose_inputs((5, 2, 4), 3, stride=2).shape
    (5, 1, 9, 6)
    """
    return unfolded_transpose_inputs_terms(
        x_shape, kernel_size, approximation=approximation, **how
    )[0]


def unfolded_transpose_inputs_terms(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    **how: Unpack[TransposedFeatures],
) -> tuple[Network, ...]:
    """The networks whose sum is the un-squared factor: one, with a bias two."""
    site = Site.of("unfolded_transpose_inputs", x=x_shape)
    return _terms(site, transposed_unfolded(site, kernel_size, how), approximation)


def unfolded(site: Site, kernel_size: Ints, how: ConvFeatures) -> Unfolded:
    """The unfolded input of a convolution of the site's ``x``."""
    features, rest = _split(how)
    hyper = cast(Hyper, rest)
    groups = site.whole("groups", hyper.get("groups", 1), 1)
    geometry = geometry_of_kernel(site, groups, kernel_size, hyper)
    return _opened(site, geometry, forward(geometry), ("c", "o"), features)


def transposed_unfolded(
    site: Site, kernel_size: Ints, how: TransposedFeatures
) -> Unfolded:
    """The unfolded input of a transposed convolution of the site's ``x``."""
    features, rest = _split(how)
    hyper = cast(TransposedHyper, rest)
    groups = site.whole("groups", hyper.get("groups", 1), 1)
    geometry = transposed_of_kernel(site, groups, kernel_size, hyper)
    network = transposed_forward(geometry)
    return _opened(site, geometry, network, ("d", "i"), features)


def _split(how: Mapping[str, Any]) -> tuple[Features, dict[str, Any]]:
    """What says which features there are, and the hyper-parameters."""
    names = Features.__annotations__
    features = {name: value for name, value in how.items() if name in names}
    rest = {name: value for name, value in how.items() if name not in names}
    return cast(Features, features), rest


def _opened(
    site: Site,
    geometry: Geometry,
    network: Network,
    roles: tuple[str, str],
    how: Features,
) -> Unfolded:
    """Take the weight out of a layer's network; ``roles`` are its channel, position."""
    grouping, outermost = how.get("grouping", "block"), how.get("outermost", "channel")
    site.choice("grouping", grouping, ("block", "average"))
    site.choice("outermost", outermost, ("channel", "kernel"))
    (channel, position), axes = roles, geometry.axes
    positions, kernel = legs(position, axes), legs("k", axes)
    features = (channel, *kernel) if outermost == "channel" else (*kernel, channel)
    examples, blocks = batch_legs(geometry), ("g",) if grouping == "block" else ()
    open_legs = plain(dict(network.sizes), *examples, *blocks, *positions, *features)
    kept = network.without(find_input(network, "weight")).operands
    opened = network.with_operands(kept, open_legs)
    averaged = 1 if blocks else geometry.groups
    opened = replace(opened, scale=opened.scale / averaged)
    bias = bool(how.get("bias", False))
    return Unfolded(opened, examples, blocks, positions, features, bias)


def _terms(
    site: Site, unfolded: Unfolded, approximation: Approximation
) -> tuple[Network, ...]:
    site.choice("approximation", approximation, ("expand", "reduce"))
    network, expand = unfolded.network, approximation == "expand"
    sizes = dict(network.sizes)
    lead = (*plain(sizes, *unfolded.examples), unfolded.block_axis)
    if expand:
        lead = (*lead, composite(sizes, *unfolded.positions))
    mean = 1 if expand else max(1, unfolded.sizes_of(unfolded.positions))
    patches = (*lead, unfolded.feature_axis())
    scale = network.scale / mean
    found = Network.build(network.operands, patches, sizes, scale)
    if not unfolded.bias:
        return (found,)
    return found, Network.build((), (*lead, unfolded.bias_axis), sizes)
