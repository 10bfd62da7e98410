"""What a layer is asked to do, for prices in multiply-adds and in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from tnconv.edits import replace
from tnconv.errors import ArgumentError
from tnconv.factor import chain
from tnconv.factor.formats import KernelShape
from tnconv.network import Input, Network
from tnconv.networks.checks import Shape, Site, is_list


@dataclass(frozen=True)
class Workload:
    """The calls of one layer: batch, spatial input size and hyper-parameters.

    ``input_size`` is an int or one per spatial axis, and () for a linear layer;
    ``hyper`` are keywords of :func:`tnconv.conv` or :func:`tnconv.conv_transpose`, less
    groups.

    >>> Workload((32, 32), batch=8, hyper={"padding": 1}).output_size(
    ...     KernelShape((8, 4, 3, 3)))
    (32, 32)
    """

    input_size: int | Sequence[int]
    batch: int = 1
    hyper: Mapping[str, Any] = field(default_factory=dict)

    def sizes(self, kernel: KernelShape) -> Shape:
        """The spatial input size, an int per axis."""
        axes = len(kernel.kernel)
        if not is_list(self.input_size):
            return (self.input_size,) * axes  # type: ignore[return-value]
        if len(self.input_size) != axes:  # type: ignore[arg-type]
            raise ArgumentError(
                f"workload: input_size is {self.input_size} for a weight of shape "
                f"{kernel.shape}; give an int or {axes} ints"
            )
        return tuple(self.input_size)  # type: ignore[arg-type]

    def layer(self, kernel: KernelShape, network: Network | None = None) -> Network:
        """The network of the layer, dense or factorized, with input ``x``."""
        channels = kernel.sizes["c"] * kernel.groups
        shape = (self.batch, channels, *self.sizes(kernel))
        return layer_network(shape, kernel, network, self.hyper)

    def output_size(self, kernel: KernelShape) -> Shape:
        """The spatial size of the layer's output."""
        return self.layer(kernel).shape[2:]

    def macs(self, kernel: KernelShape, network: Network | None = None) -> int:
        """Multiply-adds for one example: the dense layer's, or the textbook chain's."""
        into, out = self.sizes(kernel), self.output_size(kernel)
        if network is None:
            met = into if kernel.transposed else out
            return prod(kernel.sizes.values()) * prod(met)
        return chain.macs(
            network, out, into, groups=kernel.groups, transposed=kernel.transposed
        )

    def seconds(
        self, kernel: KernelShape, array: Any, network: Network | None = None
    ) -> float:
        """What the plan of the layer is predicted to take on arrays like this one."""
        from tnconv.execution.expression import planned_expression
        from tnconv.execution.registry import backend_for
        from tnconv.options import current

        layer = self.layer(kernel, network)
        kind: Any = type(array)
        backend = backend_for(kind)
        found = planned_expression(layer, backend, backend.place(array), current())
        return found.plan.seconds


def layer_network(
    x_shape: Shape,
    kernel: KernelShape,
    factors: Network | None,
    hyper: Mapping[str, Any],
) -> Network:
    """The network of a layer on an input of a shape; of a linear layer too.

    Its inputs are ``x`` and ``weight``, or a factor each, ``weight.out`` and so on.
    """
    from tnconv import networks

    weight = kernel.shape if factors is None else factors
    if kernel.kernel:
        build = networks.conv_transpose if kernel.transposed else networks.conv
        return build(x_shape, weight, groups=kernel.groups, **hyper)
    site = Site.of("linear layer", x=x_shape, weight=kernel.shape)
    channels = kernel.sizes["c"] * kernel.groups
    if hyper or len(x_shape) != 2 or x_shape[1] != channels:
        raise site.error(
            f"x is no (batch, {channels}), or there are hyper-parameters",
            "a weight without kernel sizes is that of a linear layer",
        )
    return _linear(x_shape[0], kernel, factors)


def _linear(batch: int, kernel: KernelShape, factors: Network | None) -> Network:
    from tnconv.networks.conv import composite, factors_of, plain

    sizes = {"n": batch, "g": kernel.groups, **kernel.sizes}
    rows = plain(sizes, "n")
    first, second = ("c", "d") if kernel.transposed else ("d", "c")
    weight = (composite(sizes, "g", first), *plain(sizes, second))
    operands = (
        Input("x", (*rows, composite(sizes, "g", "c"))),
        Input("weight", weight),
    )
    output = (*rows, composite(sizes, "g", "d"))
    network = Network.build(operands, output, sizes)
    if factors is None:
        return network
    return replace(network, "weight", factors_of("weight", factors))
