"""Coordinates in which what a layer reads is white along the legs of every factor.

A factor that carries legs of the covariance is multiplied there by the Cholesky factor
of their marginal, the covariance averaged over all other legs. Where the covariance is
the product of these marginals nothing is left to be measured, and distances are plain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.fit.equations import METRIC
from tnconv.factor.fit.layout import PRIME, Labels, Layout, run, times
from tnconv.factor.fit.measure import Metric

Array = Any


@dataclass(frozen=True)
class Root:
    """The legs that a factor carries: ``root`` goes there, ``inverse`` back."""

    factor: str
    legs: Labels
    root: Array
    inverse: Array


@dataclass(frozen=True)
class White:
    """A weight in coordinates where inputs are white along the legs of each factor.

    ``metric`` is what is left of the covariance there, None if nothing. :meth:`back`
    takes factors to the coordinates of the weight.
    """

    layout: Layout
    weight: Array
    metric: Metric | None
    roots: tuple[Root, ...]

    def back(self, factors: Mapping[str, Array], xp: Any) -> dict[str, Array]:
        """The factors of the weight itself."""
        found = dict(factors)
        for root in self.roots:
            name, layout = root.factor, self.layout
            labels = layout.factors[name]
            found[name] = times(
                xp, layout, found[name], labels, root.legs, root.inverse
            )
        return found


def whiten(xp: Any, layout: Layout, weight: Array, metrics: Sequence[Metric]) -> White:
    """Coordinates for all covariances of a weight, and what is left of one.

    Raises ArgumentError where something is left of two.
    """
    roots, left = [], []
    for metric in metrics:
        own = _roots(xp, layout, metric)
        roots += own
        for root in own:
            weight = times(xp, layout, weight, layout.output, root.legs, root.root)
        if max((r.root.shape[-1] for r in own), default=0) < _size(layout, metric.legs):
            left.append(_left(xp, layout, metric, own))
    if len(left) > 1:
        raise ArgumentError(
            "decompose: channels and positions are each on several factors, and "
            "covariance is a pair; give one covariance of both together"
        )
    return White(layout, weight, left[0] if left else None, tuple(roots))


def _size(layout: Layout, legs: Labels) -> int:
    return prod(layout.shape(legs))


def _roots(xp: Any, layout: Layout, metric: Metric) -> list[Root]:
    """A root for every factor with legs of its own; the first has the scale."""
    found: list[Root] = []
    for name in layout.factors:
        legs = tuple(a for a in metric.legs if layout.holders(a) == (name,))
        if legs:
            marginal = _marginal(xp, layout, metric, legs)
            if found:
                mean = xp.mean(xp.linalg.diagonal(marginal), axis=-1)
                mean = xp.where(mean > 0, mean, xp.ones_like(mean))
                marginal = marginal / mean[:, None, None]
            root = xp.linalg.cholesky(marginal)
            found.append(Root(name, legs, root, xp.linalg.inv(root)))
    return found


def _left(xp: Any, layout: Layout, metric: Metric, roots: Sequence[Root]) -> Metric:
    """The covariance in the coordinates of all roots."""
    wide = layout.primed(metric.legs)
    labels = (*layout.group, *metric.legs, *(a + PRIME for a in metric.legs))
    values = metric.values
    for root in roots:
        turned = xp.permute_dims(root.inverse, (0, 2, 1))
        second = tuple(a + PRIME for a in root.legs)
        values = times(xp, wide, values, labels, root.legs, turned)
        values = times(xp, wide, values, labels, second, turned)
    return Metric(values, metric.legs)


def _marginal(xp: Any, layout: Layout, metric: Metric, own: Labels) -> Array:
    """The covariance of some legs, averaged over the others."""
    wide = layout.primed(own)
    second = tuple(a + PRIME if a in own else a for a in metric.legs)
    labels = (*layout.group, *metric.legs, *second)
    result = (*layout.group, *own, *(a + PRIME for a in own))
    network = wide.network([wide.operand(METRIC, labels)], result)
    others = prod(layout.shape(a for a in metric.legs if a not in own))
    size = prod(layout.shape(own))
    summed = run(network, {METRIC: metric.values}) / others
    return xp.reshape(summed, (-1, size, size))
