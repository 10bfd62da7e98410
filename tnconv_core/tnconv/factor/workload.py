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
from tnconv.networks.checks import Shape, is_list


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

    def layer(self, kernel: KernelShape) -> Network:
        """The network of the dense layer, with inputs ``x`` and ``weight``."""
        from tnconv import networks

        sizes = kernel.sizes
        channels = sizes["c"] * kernel.groups
        shape = (self.batch, channels, *self.sizes(kernel))
        if not kernel.kernel:
            return _linear(self.batch, kernel)
        build = networks.conv_transpose if kernel.transposed else networks.conv
        return build(shape, kernel.shape, groups=kernel.groups, **self.hyper)

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

        layer = self.layer(kernel)
        if network is not None:
            layer = replace(layer, "weight", network)
        kind: Any = type(array)
        backend = backend_for(kind)
        found = planned_expression(layer, backend, backend.place(array), current())
        return found.plan.seconds


def _linear(batch: int, kernel: KernelShape) -> Network:
    from tnconv.networks.conv import composite, plain

    sizes = {"n": batch, "g": kernel.groups, **kernel.sizes}
    rows = plain(sizes, "n")
    operands = (
        Input("x", (*rows, composite(sizes, "g", "c"))),
        Input("weight", kernel.output),
    )
    return Network.build(operands, (*rows, composite(sizes, "g", "d")), sizes)
