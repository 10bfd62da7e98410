"""Kronecker factors of a convolution's curvature: its unfolded input, paired.

The unfolded input is the forward network with the kernel taken out and its legs left
open; a factor is that network times a copy of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Literal, Unpack

from tnconv.edits import find_input, pair
from tnconv.network import Network
from tnconv.networks.checks import Ints, Site
from tnconv.networks.conv import batch_legs, composite, forward, legs, plain
from tnconv.networks.geometry import Geometry, Hyper
from tnconv.networks.gradient import geometry_of_kernel

Approximation = Literal["expand", "reduce"]
Normalization = Literal["none", "batch", "position"]


def kfac_input_factor(
    x_shape: Sequence[int],
    kernel_size: Ints,
    *,
    approximation: Approximation = "expand",
    normalization: Normalization = "batch",
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the input's Kronecker factor, with input ``x``.

    The result has shape (groups, c * prod(kernel_size), c * prod(kernel_size)) with
    ``c = in_channels/groups`` outermost. "expand" shares the output position between
    the two copies, "reduce" sums over it in each. An int ``kernel_size`` means a
    batched ``x``. Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> kfac_input_factor((5, 2, 9), 3).shape
    (1, 6, 6)
    """
    site = Site.of("kfac_input_factor", x=x_shape)
    site.choice("approximation", approximation, ("expand", "reduce"))
    site.choice("normalization", normalization, ("none", "batch", "position"))
    groups = site.whole("groups", hyper.get("groups", 1), 1)
    geometry = geometry_of_kernel(site, groups, kernel_size, hyper)
    shared = (*batch_legs(geometry), "g")
    if approximation == "expand":
        shared += legs("o", geometry.axes)
    both = pair(unfolded(geometry), shared=shared)
    columns = ("c", *legs("k", geometry.axes))
    copies = tuple(f"{label}'" for label in columns)
    sizes = dict(both.sizes)
    output = (
        *plain(sizes, "g"),
        composite(sizes, *columns),
        composite(sizes, *copies),
    )
    counted = _counted(geometry, approximation, normalization)
    found = both.with_operands(both.operands, output)
    return Network.build(found.operands, output, sizes, Fraction(1, counted))


def unfolded(geometry: Geometry) -> Network:
    """The unfolded input of a geometry with one output channel in each group."""
    network = forward(geometry)
    axes = geometry.axes
    labels = (*batch_legs(geometry), "g", "c", *legs("k", axes), *legs("o", axes))
    kept = network.without(find_input(network, "weight")).operands
    return network.with_operands(kept, plain(dict(network.sizes), *labels))


def _counted(
    geometry: Geometry, approximation: Approximation, normalization: Normalization
) -> int:
    """What the sum is divided by; an empty sum is left as it is."""
    batch, positions = geometry.batch or 1, max(1, prod(geometry.output))
    if normalization == "none":
        return 1
    if approximation == "reduce":
        return batch * positions**2
    return batch * positions if normalization == "position" else batch
