"""The convolutions of real networks that everything here is measured on.

``data/layers.json`` holds the 169 distinct 2-d convolutions of twelve networks,
``data/layers_more.json`` 53 layers of 1-d and 3-d networks, dilated, causal and
transposed ones among them.

A transposed convolution is described by the convolution that it is the transpose of:
its input is that one's output. So a layer has a *wide* side (what the convolution
reads, with ``c`` channels) and a *narrow* side (what it writes, with ``d`` channels).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
FILES = ("layers.json", "layers_more.json")
Ints = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer; sizes are spatial, ``padding`` is a pair (low, high) for each axis."""

    name: str
    in_channels: int
    out_channels: int
    input_size: Ints
    output_size: Ints
    kernel_size: Ints
    stride: Ints
    padding: tuple[tuple[int, int], ...]
    dilation: Ints
    groups: int
    transposed: bool
    output_padding: Ints
    macs: int

    @classmethod
    def of(cls, record: dict[str, Any]) -> Layer:
        """The layer of a record of the data files."""
        axes = ("input_size", "output_size", "kernel_size", "stride", "dilation")
        return cls(
            name=record["id"],
            in_channels=record["in_channels"],
            out_channels=record["out_channels"],
            padding=tuple((low, high) for low, high in record["padding_pairs"]),
            groups=record["groups"],
            transposed=bool(record["transposed"]),
            output_padding=tuple(record["output_padding"]),
            macs=record["macs"],
            **{axis: tuple(record[axis]) for axis in axes},
        )

    @property
    def dims(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel_size)

    @property
    def symmetric(self) -> bool:
        """Whether both ends of every axis are padded alike, as most libraries ask."""
        return all(low == high for low, high in self.padding)

    @property
    def low(self) -> Ints:
        """The padding before each axis."""
        return tuple(low for low, _ in self.padding)

    @property
    def wide(self) -> tuple[int, Ints]:
        """Channels and sizes of what the convolution reads."""
        if self.transposed:
            return self.out_channels, self.output_size
        return self.in_channels, self.input_size

    @property
    def narrow(self) -> tuple[int, Ints]:
        """Channels and sizes of what the convolution writes."""
        if self.transposed:
            return self.in_channels, self.input_size
        return self.out_channels, self.output_size

    @property
    def weight_shape(self) -> Ints:
        """(d, c/groups, *kernel_size), for both kinds of layer."""
        return (self.narrow[0], self.wide[0] // self.groups, *self.kernel_size)

    @property
    def taps(self) -> int:
        """The number of kernel positions."""
        return prod(self.kernel_size)

    @property
    def reach(self) -> tuple[tuple[int, int], ...]:
        """Zeros to add before and after each axis so that every window lies inside."""
        found = []
        for axis, (low, _) in enumerate(self.padding):
            last = self.stride[axis] * (self.narrow[1][axis] - 1)
            last += self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            found.append((low, max(0, last - low - self.wide[1][axis])))
        return tuple(found)

    def hyper(self) -> dict[str, Any]:
        """Hyper-parameters as tnconv and PyTorch's functions name them."""
        found: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.low if self.symmetric else self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        if self.transposed:
            found["output_padding"] = self.output_padding
        return found


def records() -> Iterator[dict[str, Any]]:
    """The records of both files, in their order."""
    for name in FILES:
        yield from json.loads((DATA / name).read_text("utf-8"))


def select(
    only: str = "", every: int = 1, sample: int = 0, max_macs: float = float("inf")
) -> list[Layer]:
    """Layers with ``only`` in their name, of at most ``max_macs`` products an example.

    ``every`` takes each n-th of those; ``sample`` takes so many, spread evenly over
    their order by products, from the smallest to the largest.

    >>> len(select()), [layer.name for layer in select("3c3d", every=2)]
    (222, ['3c3d/conv1', '3c3d/conv3'])
    """
    found = [layer for layer in map(Layer.of, records()) if only in layer.name]
    found = [layer for layer in found if layer.macs <= max_macs][::every]
    if 0 < sample < len(found):
        ordered = sorted(found, key=lambda layer: layer.macs)
        step = (len(ordered) - 1) / max(1, sample - 1)
        chosen = {ordered[round(step * n)].name for n in range(sample)}
        found = [layer for layer in found if layer.name in chosen]
    return found
