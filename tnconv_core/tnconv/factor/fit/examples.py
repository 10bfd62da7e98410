"""Examples of a layer, batch by batch, and what they pull its factors towards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tnconv.edits import transpose
from tnconv.errors import ArgumentError
from tnconv.factor.fit.held import Held, alike, hold
from tnconv.factor.fit.layout import run
from tnconv.factor.kernel import FactorizedKernel
from tnconv.factor.workload import layer_network
from tnconv.network import Network

Array = Any
Batches = Iterable[tuple[Array, Array]]
OPERATION = "layer_least_squares"


@dataclass(frozen=True)
class Batch:
    """A layer on examples: its network, what it reads, and what it should give."""

    network: Network
    x: Array
    wanted: Array

    def output(self, factors: Mapping[str, Array]) -> Array:
        """What the layer gives."""
        parts = {f"weight.{name}": factor for name, factor in factors.items()}
        return run(self.network, {"x": self.x, **parts})

    def pulled(
        self, name: str, factors: Mapping[str, Array], cotangent: Array
    ) -> Array:
        """The gradient with respect to one factor."""
        network = transpose(self.network, f"weight.{name}", "cotangent")
        parts = {f"weight.{other}": factor for other, factor in factors.items()}
        return run(network, {"x": self.x, "cotangent": cotangent, **parts})


@dataclass(frozen=True)
class Examples:
    """A layer and what it did; ``ready`` are batches that were checked already."""

    held: Held
    kernel: FactorizedKernel
    batches: Batches
    bias: Array | None
    hyper: Mapping[str, Any]
    ready: tuple[Batch, ...] = ()

    @classmethod
    def of(
        cls,
        kernel: FactorizedKernel,
        batches: Batches,
        bias: Array | None,
        hyper: Mapping[str, Any],
    ) -> Examples:
        """Check what is known before any example."""
        if "groups" in hyper:
            raise ArgumentError(
                f"{OPERATION}: groups is given, and the kernel has {kernel.groups}; "
                "leave groups out"
            )
        held = hold(OPERATION, kernel.names[0], kernel.factors[0])
        if bias is not None:
            sizes = kernel.kernel_shape.sizes
            channels, axes = sizes["d"] * kernel.groups, len(kernel.shape) - 2
            bias = alike(held, OPERATION, "bias", bias)
            if tuple(bias.shape) != (channels,):
                raise ArgumentError(
                    f"{OPERATION}: bias has shape {tuple(bias.shape)}, the layer has "
                    f"{channels} channels; give one value for each"
                )
            bias = held.xp.reshape(bias, (-1, *(1,) * axes))
        return cls(held, kernel, batches, bias, hyper)

    def batch(self, x: Array, output: Array) -> Batch:
        """Examples, checked."""
        kernel, size = self.kernel, tuple(x.shape)
        network = layer_network(size, kernel.kernel_shape, kernel.network, self.hyper)
        wanted = alike(self.held, OPERATION, "output", output)
        if tuple(wanted.shape) != network.shape:
            raise ArgumentError(
                f"{OPERATION}: output has shape {tuple(wanted.shape)}, the layer gives "
                f"{network.shape} of x {size}; give what the dense layer gave for this "
                "x"
            )
        if self.bias is not None:
            wanted = wanted - self.bias
        x = alike(self.held, OPERATION, "x", x)
        return Batch(network, self.given(x), self.given(wanted))

    def given(self, array: Array) -> Array:
        """In the precision in which the layer runs."""
        xp, size = self.held.xp, self.kernel.dtype.itemsize
        return xp.astype(array, xp.float64 if size > 4 else xp.float32)

    def passed(self) -> Iterator[Batch]:
        """One pass over all batches."""
        yield from self.ready
        for x, output in self.batches:
            yield self.batch(x, output)

    def error(self, factors: Mapping[str, Array]) -> float:
        """The relative distance of the output."""
        xp, own = self.held.xp, {n: self.given(f) for n, f in factors.items()}
        away = whole = 0.0
        batch = None
        for batch in self.passed():
            off = batch.output(own) - batch.wanted
            away += float(xp.sum(off * off))
            whole += float(xp.sum(batch.wanted * batch.wanted))
        if batch is None:
            raise ArgumentError(f"{OPERATION}: there is no batch; give at least one")
        return (away / whole) ** 0.5 if whole > 0 else 0.0

    def right(self, name: str, factors: Mapping[str, Array]) -> Array:
        """What the outputs pull a factor towards."""
        own = {n: self.given(f) for n, f in factors.items()}
        pulls = (b.pulled(name, own, b.wanted) for b in self.passed())
        return self._sum(pulls)

    def applied(self, name: str, factors: Mapping[str, Array], values: Array) -> Array:
        """A change of a factor through the layer and back."""
        own = {n: self.given(f) for n, f in factors.items()}
        changed = {**own, name: self.given(values)}
        pulls = (b.pulled(name, own, b.output(changed)) for b in self.passed())
        return self._sum(pulls)

    def _sum(self, parts: Iterable[Array]) -> Array:
        total: Any = 0.0
        for part in parts:
            total = total + self.held.xp.astype(part, self.held.xp.float64)
        return total
