"""A layer as curvature sees it: the forward network of a convolution, or transposed.

What is derived from a layer's Jacobians is the same for both kinds. They differ in how
the network is built from what is known, and in which labels are read and made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tnconv.axis import Axis
from tnconv.edits import find_input, remove, transpose
from tnconv.network import Input, Network
from tnconv.networks.checks import Ints, Shape, Site
from tnconv.networks.conv import batch_legs, check_array, composite, forward, legs
from tnconv.networks.geometry import Geometry
from tnconv.networks.gradient import from_input_size, geometry_of_kernel
from tnconv.networks.transposed import (
    transposed_forward,
    transposed_from_input_size,
    transposed_of_kernel,
)

Hypers = Any  # the keywords of a convolution, or of a transposed one


@dataclass(frozen=True, slots=True)
class Layer:
    """A forward network with inputs ``x`` and ``weight``, and its labels by role.

    ``reads`` and ``makes`` are the channel labels of one group.
    """

    network: Network
    examples: tuple[str, ...]
    reads: str
    makes: str

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.weight) - 2

    @property
    def weight(self) -> tuple[Axis, ...]:
        """The axes of the weight."""
        return self._axes_of("weight")

    @property
    def own_input(self) -> tuple[Axis, ...]:
        """The axes of the input, without the batch."""
        return self._axes_of("x")[len(self.examples) :]

    @property
    def output_shape(self) -> Shape:
        """The shape of the output."""
        return self.network.shape

    @property
    def flat_weight(self) -> Axis:
        """The flattened weight as one axis."""
        sizes = dict(self.network.sizes)
        return composite(sizes, "g", "d", "c", *legs("k", self.axes))

    @property
    def feature_labels(self) -> tuple[str, ...]:
        """What one group of the weight reads: a channel and a kernel position."""
        return (self.reads, *legs("k", self.axes))

    def kept(self, per_example: bool) -> tuple[str, ...]:
        """The label to keep for one result per example; unbatched there is none."""
        return self.examples if per_example else ()

    def jacobian(self, name: str) -> Network:
        """The Jacobian of the output in ``x`` or ``weight``."""
        return remove(self.network, name)

    def gradient(self, cotangent: str) -> Network:
        """The weight's gradient of every example."""
        return transpose(self.network, "weight", cotangent, keep=self.examples)

    def _axes_of(self, name: str) -> tuple[Axis, ...]:
        operand = self.network.operands[find_input(self.network, name)]
        assert isinstance(operand, Input)
        return operand.axes


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of layer is built.

    ``of_kernel`` knows the shape of ``x``, the output channels and the kernel size;
    ``of_input`` the shape of ``weight``, the input size and the batch.
    """

    of_kernel: Callable[[Site, int, Ints, Hypers], Layer]
    of_input: Callable[[Site, Ints, int | None, Hypers], Layer]

    def of_output(
        self,
        site: Site,
        name: str,
        leading: tuple[int, ...],
        kernel_size: Ints,
        hyper: Hypers,
    ) -> Layer:
        """The layer where array ``name`` has ``leading`` axes, then an output's."""
        axes = site.spatial_axes("x", kernel_size=kernel_size)
        batched = site.spatial_rank("x", axes) - 1
        shape, first = site.shapes[name], len(leading) + batched
        if len(shape) != first + 1 + axes:
            wanted = ("v, " * len(leading)) + ("batch, " * batched)
            raise site.error(
                f"{name} has {len(shape)} axes, x has {axes} spatial ones",
                f"give ({wanted}out_channels, *output_size)",
            )
        layer = self.of_kernel(site, shape[first], kernel_size, hyper)
        expected = (*leading, *layer.output_shape)
        check_array(site, name, expected, "the layer's output asks for")
        return layer


def _conv(geometry: Geometry) -> Layer:
    return Layer(forward(geometry), batch_legs(geometry), "c", "d")


def _transposed(geometry: Geometry) -> Layer:
    return Layer(transposed_forward(geometry), batch_legs(geometry), "d", "c")


CONV = Kind(
    lambda *known: _conv(geometry_of_kernel(*known)),
    lambda site, size, batch, hyper: _conv(from_input_size(site, size, batch, hyper)),
)
TRANSPOSED = Kind(
    lambda *known: _transposed(transposed_of_kernel(*known)),
    lambda *known: _transposed(transposed_from_input_size(*known)),
)
