"""Factors fitted to what a layer gives: least squares on examples, factor by factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tnconv.edits import transpose
from tnconv.errors import ArgumentError
from tnconv.factor.fit.balance import balanced
from tnconv.factor.fit.conjugate import conjugate
from tnconv.factor.fit.held import Held, alike, hold
from tnconv.factor.fit.layout import Layout, run
from tnconv.factor.kernel import FactorizedKernel, Fit
from tnconv.factor.workload import layer_network
from tnconv.network import Network

Array = Any
OPERATION = "layer_least_squares"


def layer_least_squares(
    kernel: FactorizedKernel,
    x: Array,
    output: Array,
    bias: Array | None = None,
    *,
    sweeps: int = 3,
    iterations: int = 10,
    **hyper: Any,
) -> FactorizedKernel:
    """Fit factors again, to what the dense layer gave on examples.

    Each factor in turn is improved for the others, by conjugate gradients on the layer
    itself: no covariance is formed, so it serves where that would be too large.

    Args:
        kernel: where to start from, as :func:`tnconv.decompose` gives it.
        x: what the layer reads, (batch, in_channels, *input_size); to make up for
            layers before it that are factorized already, give what it reads there.
        output: what the dense layer gave, (batch, out_channels, *output_size).
        bias: (out_channels,), the layer's, which stays as it is.
        sweeps: how often every factor is visited.
        iterations: steps for one factor, at most.
        hyper: as for :func:`tnconv.conv`, or for :func:`tnconv.conv_transpose` where
            the kernel is transposed; groups are the kernel's.

    Returns:
        A kernel of the same format and ranks, whose output is no further from
        ``output`` than before; ``.fit.output_error`` is the relative distance.

    Raises:
        ArgumentError: shapes or hyper-parameters do not fit, or values are not finite.
        ArrayError: an array is not of real floats, or where the kernel is not.

    >>> import numpy as np, tnconv
    >>> rng = np.random.default_rng(0)
    >>> weight, x = rng.standard_normal((4, 3, 3)), rng.standard_normal((8, 3, 20))
    >>> kernel = tnconv.decompose(weight, "tucker2", 2)
    >>> y = tnconv.conv(x, weight)
    >>> better = layer_least_squares(kernel, x, y)
    >>> distance = lambda k: np.linalg.norm(tnconv.conv(x, k) - y)
    >>> bool(distance(better) < distance(kernel))
    True
    """
    first = hold(OPERATION, kernel.names[0], kernel.factors[0])
    layer = _layer(kernel, first, x, output, bias, hyper)
    factors = {
        name: alike(first, OPERATION, name, factor)
        for name, factor in kernel.arrays().items()
    }
    best = _improved(layer, factors, sweeps, iterations)
    layout = Layout.of(kernel.network)
    flat = layout.taken([best[name] for name in kernel.names], first.xp)
    even = layout.given(balanced(layout, flat, first.xp), first.xp)
    error = layer.error(best)
    made = kernel.with_factors([first.back(factor) for factor in even])
    return replace(made, fit=Fit(None, output_error=error))


@dataclass(frozen=True)
class _Layer:
    """A layer on examples: its network, what it reads, and what it should give."""

    held: Held
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

    def error(self, factors: Mapping[str, Array]) -> float:
        """The relative distance of the output."""
        xp, away = self.held.xp, self.output(factors) - self.wanted
        whole = float(xp.sum(self.wanted * self.wanted))
        return (float(xp.sum(away * away)) / whole) ** 0.5 if whole > 0 else 0.0


def _layer(
    kernel: FactorizedKernel,
    held: Held,
    x: Array,
    output: Array,
    bias: Array | None,
    hyper: Mapping[str, Any],
) -> _Layer:
    if "groups" in hyper:
        raise ArgumentError(
            f"{OPERATION}: groups is given, and the kernel has {kernel.groups}; leave "
            "groups out"
        )
    network = layer_network(tuple(x.shape), kernel.kernel_shape, kernel.network, hyper)
    wanted = alike(held, OPERATION, "output", output)
    if tuple(wanted.shape) != network.shape:
        raise ArgumentError(
            f"{OPERATION}: output has shape {tuple(wanted.shape)}, the layer gives "
            f"{network.shape} of x {tuple(x.shape)}; give what the dense layer gave "
            "for this x"
        )
    if bias is not None:
        channels = alike(held, OPERATION, "bias", bias)
        axes = len(kernel.shape) - 2
        if tuple(channels.shape) != (network.shape[-1 - axes],):
            raise ArgumentError(
                f"{OPERATION}: bias has shape {tuple(channels.shape)}, the layer has "
                f"{network.shape[-1 - axes]} channels; give one value for each"
            )
        wanted = wanted - held.xp.reshape(channels, (-1, *(1,) * axes))
    return _Layer(held, network, alike(held, OPERATION, "x", x), wanted)


def _improved(
    layer: _Layer, factors: Mapping[str, Array], sweeps: int, iterations: int
) -> dict[str, Array]:
    """The best factors met; no sweep is kept that makes the output worse."""
    best, least = dict(factors), layer.error(factors)
    found = dict(factors)
    for _ in range(sweeps):
        for name in factors:
            found[name] = _solved(layer, name, found, iterations)
        error = layer.error(found)
        if not error < least:
            break
        best, least = dict(found), error
    return best


def _solved(
    layer: _Layer, name: str, factors: Mapping[str, Array], iterations: int
) -> Array:
    def apply(values: Array) -> Array:
        changed = {**factors, name: values}
        return layer.pulled(name, factors, layer.output(changed))

    right = layer.pulled(name, factors, layer.wanted)
    return conjugate(apply, right, factors[name], 1.0, iterations, layer.held.xp)
