"""The geometry of one call: every size and hyper-parameter, checked and spelled out.

A transposed convolution is described by the convolution it is the transpose of (the
*associated* one), so there is one :class:`Geometry` for all operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from tnconv.network import Network
from tnconv.networks.checks import Ints, Shape, Site
from tnconv.reindex import MODES

Pairs = tuple[tuple[int, int], ...]
Padding = int | str | Sequence[int | Sequence[int]]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"] | str


class Hyper(TypedDict, total=False):
    """The hyper-parameters of a convolution, as keywords."""

    stride: Ints
    padding: Padding
    dilation: Ints
    groups: int
    padding_mode: PaddingMode


class TransposedHyper(TypedDict, total=False):
    """The hyper-parameters of a transposed convolution, as keywords."""

    stride: Ints
    padding: Padding
    output_padding: Ints
    dilation: Ints
    groups: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes and hyper-parameters of one convolution.

    Channel counts are those of all groups together; ``batch`` is None for unbatched
    arrays; ``padding`` holds (low, high) pairs, negative where the input is cropped.
    ``output`` is explicit: what the convolution really computes of it is a question of
    the operation, not of rounding.
    """

    batch: int | None
    groups: int
    in_channels: int
    out_channels: int
    input: Shape
    output: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    padding: Pairs
    padding_mode: str = "zeros"
    #: the network that stands for the weight, where that is no array
    factors: Network | None = None

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    def array(self, channels: int, spatial: Shape) -> Shape:
        """The shape of an activation array, batched or not as this call is."""
        batch = () if self.batch is None else (self.batch,)
        return (*batch, channels, *spatial)

    @property
    def input_shape(self) -> Shape:
        """The shape of the convolution's input."""
        return self.array(self.in_channels, self.input)

    @property
    def output_shape(self) -> Shape:
        """The shape of the convolution's output."""
        return self.array(self.out_channels, self.output)

    @property
    def weight_shape(self) -> Shape:
        """The shape of the weight."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)


def conv_geometry(
    site: Site,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> Geometry:
    """The geometry of a convolution from the site's shapes ``x`` and ``weight``."""
    out_channels, per_group, kernel = site.weight()
    axes = len(kernel)
    batch, in_channels, spatial = site.split("x", axes)
    groups = site.groups(groups, in_channels=in_channels, out_channels=out_channels)
    if in_channels != per_group * groups:
        raise site.error(
            f"x has {in_channels} channels but weight reads {per_group} in each of "
            f"{groups} groups",
            f"give x {per_group * groups} channels or change weight or groups",
        )
    strides = site.per_axis("stride", stride, axes, 1)
    dilations = site.per_axis("dilation", dilation, axes, 1)
    pairs = padding_pairs(site, padding, kernel, strides, dilations)
    check_mode(site, padding_mode, pairs, spatial)
    output = tuple(
        (size + sum(pair) - d * (k - 1) - 1) // s + 1
        for size, k, s, d, pair in zip(
            spatial, kernel, strides, dilations, pairs, strict=True
        )
    )
    if min(output) < 1:
        reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
        padded = tuple(i + sum(p) for i, p in zip(spatial, pairs, strict=True))
        raise site.error(
            f"the kernel reaches over {reach} positions, the padded input has {padded}",
            "pad more, or use a smaller kernel or dilation",
        )
    return Geometry(
        batch,
        groups,
        in_channels,
        out_channels,
        spatial,
        output,
        kernel,
        strides,
        dilations,
        pairs,
        padding_mode,
        site.factors,
    )


def transposed_geometry(
    site: Site,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Geometry:
    """The associated convolution of a transposed one, from shapes ``x``, ``weight``.

    ``input`` is then what the transposed convolution puts out:
    ``(size - 1) * stride - low - high + dilation * (kernel - 1) + output_padding + 1``.
    """
    in_channels, per_group, kernel = site.weight()
    axes = len(kernel)
    batch, channels, spatial = site.split("x", axes)
    groups = site.groups(groups, in_channels=in_channels)
    if channels != in_channels:
        raise site.error(
            f"x has {channels} channels but weight reads {in_channels}",
            "a transposed weight is (in_channels, out_channels/groups, *kernel_size)",
        )
    strides = site.per_axis("stride", stride, axes, 1)
    dilations = site.per_axis("dilation", dilation, axes, 1)
    pairs = padding_pairs(site, padding, kernel, strides, dilations)
    extra = _output_padding(site, output_padding, strides, dilations)
    output = tuple(
        (size - 1) * s - sum(pair) + d * (k - 1) + more + 1
        for size, k, s, d, pair, more in zip(
            spatial, kernel, strides, dilations, pairs, extra, strict=True
        )
    )
    if min(output) < 1:
        raise site.error(
            f"the output would have spatial sizes {output}", "use a smaller padding"
        )
    return Geometry(
        batch,
        groups,
        per_group * groups,
        in_channels,
        output,
        spatial,
        kernel,
        strides,
        dilations,
        pairs,
        factors=site.factors,
    )


def padding_pairs(
    site: Site, padding: Any, kernel: Shape, stride: Shape, dilation: Shape
) -> Pairs:
    """Padding as (low, high) pairs; pairs may be negative, plain numbers may not."""
    axes = len(kernel)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * axes
        if padding != "same":
            raise site.error(
                f"padding={padding!r} is not known",
                "give 'same', 'valid', ints or (low, high) pairs",
            )
        if max(stride) > 1:
            raise site.error(
                f"padding='same' with stride={stride}", "use stride 1 or give numbers"
            )
        totals = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        return tuple((total // 2, total - total // 2) for total in totals)
    if not isinstance(padding, Sequence):
        return ((site.whole("padding", padding, 0),) * 2,) * axes
    if len(padding) != axes:
        raise site.error(
            f"padding={padding} has {len(padding)} entries for {axes} spatial axes",
            f"give an int, {axes} ints or {axes} (low, high) pairs",
        )
    return tuple(_pair(site, entry) for entry in padding)


def check_mode(site: Site, mode: Any, pairs: Pairs, spatial: Shape) -> None:
    """Refuse an unknown padding mode, and one that reaches beyond the input."""
    if mode not in MODES:
        raise site.error(f"padding_mode={mode!r} is not known", f"give one of {MODES}")
    for size, pair in zip(spatial, pairs, strict=True):
        limit = {"reflect": size - 1, "circular": size}.get(mode)
        if limit is not None and max(pair) > max(limit, 0):
            raise site.error(
                f"padding {pair} is wider than padding_mode={mode!r} allows on {size} "
                f"positions (at most {limit})",
                "pad less, or use 'zeros' or 'replicate'",
            )
        if mode != "zeros" and size + min(pair[0], 0) + min(pair[1], 0) < 1:
            raise site.error(f"padding {pair} crops all of {size}", "crop less")


def _pair(site: Site, entry: Any) -> tuple[int, int]:
    if not isinstance(entry, Sequence) or isinstance(entry, str):
        return (site.whole("padding", entry, 0),) * 2
    if len(entry) != 2:
        raise site.error(
            f"padding has the entry {entry}", "give an int or a (low, high) pair"
        )
    low, high = (site.whole("padding", end, -(2**62)) for end in entry)
    return low, high


def _output_padding(site: Site, value: Any, stride: Shape, dilation: Shape) -> Shape:
    extra = site.per_axis("output_padding", value, len(stride), 0)
    for more, s, d in zip(extra, stride, dilation, strict=True):
        if more >= max(s, d):
            raise site.error(
                f"output_padding={extra} is too large for stride={stride}, "
                f"dilation={dilation}",
                "it must be below the larger of stride and dilation, on every axis",
            )
    return extra
