"""Factors fitted to what a layer gives: least squares on examples, factor by factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.fit.balance import balanced
from tnconv.factor.fit.conjugate import conjugate
from tnconv.factor.fit.examples import OPERATION, Batches, Examples
from tnconv.factor.fit.held import alike
from tnconv.factor.fit.layout import Layout
from tnconv.factor.kernel import FactorizedKernel, Fit

Array = Any


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
        ``output`` than before; ``.fit.output_error`` is the relative distance. The
        layer runs in the precision of the kernel, halves in float32; all else is
        float64.

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
    layer = Examples.of(kernel, [], bias, hyper)
    once = replace(layer, ready=(layer.batch(x, output),))
    return _fitted(once, sweeps, iterations)


def streamed_least_squares(
    kernel: FactorizedKernel,
    batches: Batches,
    bias: Array | None = None,
    *,
    sweeps: int = 3,
    iterations: int = 10,
    **hyper: Any,
) -> FactorizedKernel:
    """:func:`layer_least_squares` on examples that are never held all at once.

    Args:
        kernel: as there.
        batches: pairs of what the layer reads and what the dense layer gave. They are
            gone through once for every step of every factor, so it must be something
            that can be: a list, a loader, an object whose ``__iter__`` reads files
            anew; every time with the same examples.
        bias, sweeps, iterations, hyper: as there.

    Raises:
        ArgumentError: as there; no batch, or an iterator, which ends after one pass.
        ArrayError: as there.

    >>> import numpy as np, tnconv
    >>> rng = np.random.default_rng(0)
    >>> weight, x = rng.standard_normal((4, 3, 3)), rng.standard_normal((8, 3, 20))
    >>> kernel, y = tnconv.decompose(weight, "tucker2", 2), tnconv.conv(x, weight)
    >>> parts = [(x[:4], y[:4]), (x[4:], y[4:])]
    >>> streamed = streamed_least_squares(kernel, parts)
    >>> whole = layer_least_squares(kernel, x, y)
    >>> bool(np.allclose(streamed.to_dense(), whole.to_dense()))
    True
    """
    if iter(batches) is batches:
        raise ArgumentError(
            f"{OPERATION}: batches is a {type(batches).__name__}, which ends after one "
            "pass, and every step takes one; give a list, or an object whose __iter__ "
            "starts anew"
        )
    return _fitted(Examples.of(kernel, batches, bias, hyper), sweeps, iterations)


def _fitted(layer: Examples, sweeps: int, iterations: int) -> FactorizedKernel:
    first, kernel = layer.held, layer.kernel
    factors = {
        name: alike(first, OPERATION, name, factor)
        for name, factor in kernel.arrays().items()
    }
    best, error = _improved(layer, factors, sweeps, iterations)
    layout = Layout.of(kernel.network)
    flat = layout.taken([best[name] for name in kernel.names], first.xp)
    even = layout.given(balanced(layout, flat, first.xp), first.xp)
    made = kernel.with_factors([first.back(factor) for factor in even])
    return replace(made, fit=Fit(None, output_error=error))


def _improved(
    layer: Examples, factors: Mapping[str, Array], sweeps: int, iterations: int
) -> tuple[dict[str, Array], float]:
    """The best factors met, and their error; a sweep that adds to it is the last."""
    best, least = dict(factors), layer.error(factors)
    found = dict(factors)
    for _ in range(sweeps):
        for name in factors:
            apply = partial(layer.applied, name, dict(found))
            right = layer.right(name, found)
            start, xp = found[name], layer.held.xp
            found[name] = conjugate(apply, right, start, 1.0, iterations, xp)
        error = layer.error(found)
        if not error < least:
            break
        best, least = dict(found), error
    return best, least
