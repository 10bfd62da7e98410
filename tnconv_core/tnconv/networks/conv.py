"""The one network all convolution operations are edits of.

In labels, for two spatial axes and without a padding mode:

    n (g c) i0 i1,  i0 ~ o0 + k0,  i1 ~ o1 + k1,  (g d) c k0 k1  ->  n (g d) o0 o1

with one :class:`~tnconv.network.Pattern` per spatial axis. It is cross-correlation, as
in every deep-learning library: the kernel is not flipped. Layouts are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import rename_inputs, replace
from tnconv.network import Input, Network, Operand, Pattern, Reindex
from tnconv.networks.checks import Shape, Site, Weight
from tnconv.networks.geometry import Geometry, Hyper, conv_geometry
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap


def conv(
    x_shape: Sequence[int], weight_shape: Weight, **hyper: Unpack[Hyper]
) -> Network:
    """The network of a convolution, with inputs ``x`` and ``weight``.

    ``x_shape`` is ([batch,] in_channels, *input_size) and ``weight_shape``
    (out_channels, in_channels/groups, *kernel_size); the result has shape ([batch,]
    out_channels, *output_size). Here and in every builder that takes a weight's shape,
    a network that gives a weight may stand in its place (a factorized kernel): its
    inputs, as ``weight.core``, are then in the place of ``weight``. Keywords are those
    of :func:`tnconv.conv`. Raises :class:`~tnconv.errors.ArgumentError` where sizes do
    not fit. Source: Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.

    >>> conv((1, 2, 9), (4, 2, 3), stride=2).shape
    (1, 4, 4)
    >>> from tnconv import parse
    >>> kernel = parse("u: d r, v: c k r -> d c k", shapes=[(4, 5), (2, 3, 5)])
    >>> list(conv((1, 2, 9), kernel).arguments)
    ['x', 'weight.u', 'weight.v']
    """
    site = Site.of("conv", x=x_shape, weight=weight_shape)
    return forward(conv_geometry(site, **hyper))


def forward(geometry: Geometry) -> Network:
    """The forward network of a geometry; here the weight becomes an operand."""
    sizes = label_sizes(geometry)
    axes = geometry.axes
    operands: list[Operand] = [Input("x", activation(geometry, "c", "i", sizes))]
    for axis in range(axes):
        operands += _spatial(geometry, axis, sizes)
    weight = (channels(sizes, "d"), *plain(sizes, "c", *legs("k", axes)))
    operands.append(Input("weight", weight))
    output = activation(geometry, "d", "o", sizes)
    network = Network.build(operands, output, sizes)
    if geometry.factors is None:
        return network
    return replace(network, "weight", factors_of("weight", geometry.factors))


def factors_of(name: str, network: Network) -> Network:
    """A network with its inputs named as parts of array ``name``."""
    return rename_inputs(network, {a: f"{name}.{a}" for a in network.arguments})


def renamed_array(network: Network, name: str, other: str) -> Network:
    """The network reading another array in the place of one, or of its factors."""
    parts = {a: other + a.removeprefix(name) for a in network.arguments}
    return rename_inputs(
        network, {a: b for a, b in parts.items() if a.partition(".")[0] == name}
    )


def label_sizes(geometry: Geometry) -> dict[str, int]:
    """The sizes of all labels by role: n g c d, then i, o and k per spatial axis."""
    sizes = {
        "g": geometry.groups,
        "c": geometry.in_channels // geometry.groups,
        "d": geometry.out_channels // geometry.groups,
    }
    if geometry.batch is not None:
        sizes["n"] = geometry.batch
    for role, spatial in (
        ("i", geometry.input),
        ("o", geometry.output),
        ("k", geometry.kernel),
    ):
        sizes |= dict(zip(legs(role, geometry.axes), spatial, strict=True))
    return sizes


def legs(role: str, axes: int) -> tuple[str, ...]:
    """The labels of one role, one per spatial axis."""
    return tuple(f"{role}{axis}" for axis in range(axes))


def plain(sizes: dict[str, int], *labels: str) -> tuple[Axis, ...]:
    """One axis per label."""
    return tuple(Axis(sizes[label], ((label, 1),)) for label in labels)


def composite(sizes: dict[str, int], *labels: str) -> Axis:
    """One axis of all labels, the first outermost."""
    size = 1
    for label in labels:
        size *= sizes[label]
    return Axis.of(size, *labels, sizes=sizes)


def channels(sizes: dict[str, int], label: str) -> Axis:
    """The channel axis ``(g c)`` or ``(g d)``."""
    return composite(sizes, "g", label)


def batch_legs(geometry: Geometry) -> tuple[str, ...]:
    """The batch label, or nothing where the arrays have no batch axis."""
    return () if geometry.batch is None else ("n",)


def activation(
    geometry: Geometry, channel: str, role: str, sizes: dict[str, int]
) -> tuple[Axis, ...]:
    """The axes of an input (c, i) or an output (d, o)."""
    return (
        *plain(sizes, *batch_legs(geometry)),
        channels(sizes, channel),
        *plain(sizes, *legs(role, geometry.axes)),
    )


def _spatial(geometry: Geometry, axis: int, sizes: dict[str, int]) -> list[Operand]:
    """The pattern of one spatial axis, and its padding mode where that pads."""
    size, (low, high) = geometry.input[axis], geometry.padding[axis]
    found: list[Operand] = []
    leg = f"i{axis}"
    if geometry.padding_mode != "zeros" and max(low, high) > 0:
        padded = IndexMap.padding(geometry.padding_mode, size, low, high)
        found.append(Reindex(padded, leg, f"p{axis}"))
        leg, size, low = f"p{axis}", padded.output, 0
        sizes[leg] = size
    pattern = IndexPattern(
        size,
        geometry.output[axis],
        geometry.kernel[axis],
        geometry.stride[axis],
        geometry.dilation[axis],
        low,
    )
    found.append(Pattern(pattern, leg, f"o{axis}", f"k{axis}"))
    return found


def bias_jvp(geometry: Geometry, channel: str, role: str) -> Network:
    """The network that repeats ``bias_tangent`` over batch and positions."""
    sizes = label_sizes(geometry)
    operand = Input("bias_tangent", (channels(sizes, channel),))
    return Network.build((operand,), activation(geometry, channel, role, sizes), sizes)


def check_array(site: Site, name: str, expected: Shape, what: str) -> None:
    """Refuse an array whose shape is not the one the geometry implies."""
    if site.shapes[name] != expected:
        raise site.error(
            f"{name} has shape {site.shapes[name]} but {what} is {expected}",
            f"give {name} that shape or change the hyper-parameters",
        )
