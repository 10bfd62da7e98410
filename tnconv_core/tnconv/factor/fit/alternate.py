"""Alternating least squares: each factor in turn is the best one for the others.

It serves every network, with groups at once, and every measure of distance. The ridge
is relative to the diagonal: of a CP kernel it adds to the squared distance a share of
the squared norms of all rank-1 terms, whatever the scale of factors, which keeps terms
from growing against each other (Phan et al., ECCV 2020, bound the same figure). The
share is a fixed part of the relative squared distance reached so far: firm at first,
and no hindrance to an exact fit. The best iterate is kept, so no sweep makes a fit
worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tnconv.factor.fit.equations import METRIC, PULL, Equations
from tnconv.factor.fit.held import Held
from tnconv.factor.fit.layout import PRIME, Labels, Layout, run
from tnconv.factor.fit.measure import Metric

Array = Any

#: squared distances below it, relative to the target, are rounding
ROUNDING = 1e-26


@dataclass(frozen=True)
class Target:
    """A weight to come near, an axis per label, and how distance is measured.

    ``metric`` are the second moments of what the layer reads, or None.
    """

    held: Held
    layout: Layout
    values: Array
    metric: Metric | None = None

    @property
    def legs(self) -> Labels:
        """The legs that are measured."""
        return () if self.metric is None else self.metric.legs

    def pulled(self) -> Array:
        """The target through the metric."""
        return self._through(self.values)

    def squared(self, weight: Array) -> float:
        """The squared norm of a weight, measured."""
        return float(self.held.xp.sum(self._through(weight) * weight))

    def distance(self, factors: Mapping[str, Array]) -> float:
        """The squared distance of the weight that factors make."""
        return self.squared(self.values - self.layout.dense(factors))

    def _through(self, weight: Array) -> Array:
        if self.metric is None:
            return weight
        layout, legs = self.layout, self.metric.legs
        primed, wide = {a: a + PRIME for a in legs}, layout.primed(legs)
        metric = wide.operand(METRIC, (*layout.group, *legs, *primed.values()))
        operands = [wide.operand(PULL, layout.output), metric]
        result = [primed.get(a, a) for a in layout.output]
        return run(
            wide.network(operands, result), {PULL: weight, METRIC: self.metric.values}
        )


@dataclass(frozen=True)
class Settings:
    """When to stop, and how firmly norms are held.

    It ends after ``sweeps``, or when one gains less than ``tolerance`` of the squared
    distance; ``hold`` is the ridge, as a part of the relative squared distance.
    """

    sweeps: int = 200
    tolerance: float = 1e-4
    hold: float = 0.0


def refine(
    target: Target, factors: Mapping[str, Array], settings: Settings
) -> dict[str, Array]:
    """Better factors, from a start."""
    layout, xp = target.layout, target.held.xp
    equations = [Equations.of(layout, name, target.legs) for name in layout.factors]
    arrays = {**factors, PULL: target.pulled()}
    if target.metric is not None:
        arrays[METRIC] = target.metric.values
    for equation in equations:
        _add_gram(equation, arrays)
    whole = target.squared(target.values)
    best, kept = target.distance(factors), dict(factors)
    last = best
    for _ in range(settings.sweeps if best > ROUNDING * whole else 0):
        ridge = settings.hold * min(1.0, last / whole)
        for equation in equations:
            arrays[equation.name] = equation.solve(arrays, ridge, xp)
            _add_gram(equation, arrays)
        found = {name: arrays[name] for name in layout.factors}
        distance = target.distance(found)
        if not distance < float("inf"):  # also where it is not a number
            break
        if distance < best:
            best, kept = distance, found
        if abs(last - distance) <= settings.tolerance * distance + ROUNDING * whole:
            break
        last = distance
    return kept


def _add_gram(equation: Equations, arrays: dict[str, Array]) -> None:
    if equation.gram is not None:
        arrays[equation.name + PRIME] = run(equation.gram, arrays)
