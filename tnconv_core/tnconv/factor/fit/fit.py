"""Fit the factors of a network to a weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tnconv.factor.fit.alternate import Settings, Target, refine
from tnconv.factor.fit.balance import balanced, degeneracy
from tnconv.factor.fit.held import Held
from tnconv.factor.fit.layout import Layout
from tnconv.factor.fit.measure import Metric
from tnconv.factor.fit.pairs import improve, in_pairs
from tnconv.factor.fit.starts import random_start, start
from tnconv.factor.fit.white import whiten

Array = Any

#: how firmly the norms of rank-1 terms are held, where a best fit may not exist
HOLD = 0.02
#: the share of the squared distance that a sweep must gain; measured ones cost more
TOLERANCE = 1e-4
#: random starts beside the first one, and their sweeps, where there are many minima
TRIES, TRIAL_SWEEPS = 2, 10
#: sweeps after that, at the most
SWEEPS = 200


@dataclass(frozen=True)
class Fitted:
    """Factors with an axis per label, and how near they came.

    ``error`` is the relative distance, ``output_error`` that through the covariance,
    and ``degeneracy`` the sum of the squared norms of the rank-1 terms of a CP kernel
    over the squared norm of the weight.
    """

    factors: Mapping[str, Array]
    error: float
    output_error: float | None
    degeneracy: float | None


def fit(
    held: Held,
    layout: Layout,
    weight: Array,
    metrics: Sequence[Metric] = (),
    *,
    seed: int = 0,
    sweeps: int = SWEEPS,
    tolerance: float = TOLERANCE,
) -> Fitted:
    """The factors nearest to a weight (an axis per label), or as covariances see it.

    Trees end where a sweep gains less than ``tolerance`` of the squared distance.
    """
    xp = held.xp
    scale = float(xp.max(xp.abs(weight)))
    if scale == 0:
        zeros = {name: _zeros(held, layout, name) for name in layout.factors}
        return Fitted(zeros, 0.0, 0.0 if metrics else None, None)
    plain = Target(held, layout, weight / scale)
    white = whiten(xp, layout, plain.values, metrics)
    target = Target(held, layout, white.weight, white.metric)
    found = _factors(target, seed, sweeps, tolerance)
    measured = _relative(target, found) if metrics else None
    found = white.back(found, xp)
    error = _relative(plain, found)
    worst = degeneracy(layout, found, plain.squared(plain.values), xp)
    share = scale ** (1 / len(found))
    scaled = {name: factor * share for name, factor in found.items()}
    found = balanced(layout, scaled, xp)
    return Fitted(found, error, measured, worst)


def _factors(
    target: Target, seed: int, sweeps: int, tolerance: float
) -> dict[str, Array]:
    held, layout = target.held, target.layout
    found = start(held, layout, target.values, seed)
    if in_pairs(layout):
        if len(layout.factors) > 2:  # for one cut, the start is the best there is
            plain = replace(target, metric=None)
            found = improve(plain, found, Settings(sweeps, tolerance))
        if target.metric is None:
            return found
    if layout.is_tree:
        coarse = tolerance if target.metric is None else 10 * tolerance
        return refine(target, found, Settings(sweeps, coarse))
    tries = [found, *(random_start(held, layout, seed + j) for j in range(TRIES))]
    short = Settings(sweeps=TRIAL_SWEEPS, hold=HOLD)
    best = min((refine(target, f, short) for f in tries), key=target.distance)
    return refine(target, best, Settings(sweeps=sweeps, hold=HOLD))


def _relative(target: Target, factors: Mapping[str, Array]) -> float:
    whole = target.squared(target.values)
    return (max(0.0, target.distance(factors)) / whole) ** 0.5 if whole > 0 else 0.0


def _zeros(held: Held, layout: Layout, name: str) -> Array:
    shape = layout.shape(layout.factors[name])
    return held.xp.zeros(shape, dtype=held.values.dtype, device=held.values.device)
