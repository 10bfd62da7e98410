"""Ranks of all layers at once: the least error that a budget allows.

Each layer has options with a cost and a loss. On the lower convex hull of these every
step buys loss at a falling rate, so that taking the best step of all layers next, as
long as the budget lasts, minimizes the sum of losses plus a multiple of the cost (the
Lagrangian); what is left then buys single options off the hull.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log1p
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Point(Generic[T]):
    """An option with its cost and its loss."""

    cost: float
    error: float
    option: T


def loss(error: float) -> float:
    """What a layer of a relative squared error loses of what passes through it.

    Layers stand in a row, so the shares that they let pass multiply, and their
    logarithms add up. A sum of errors would give up one layer, and with it the network,
    to spare the others.

    >>> round(loss(0.01), 4), round(loss(0.99), 2)
    (0.0101, 4.61)
    """
    return -log1p(-min(error, 1.0 - 1e-12))


def front(points: Sequence[Point[T]]) -> list[Point[T]]:
    """Points that no other beats in both cost and error, the cheapest first."""
    best: list[Point[T]] = []
    for point in sorted(points, key=lambda p: (p.cost, p.error)):
        if not best or point.error < best[-1].error:
            best.append(point)
    return best


def hull(points: Sequence[Point[T]]) -> list[Point[T]]:
    """The lower convex hull of a front."""
    found: list[Point[T]] = []
    for point in points:
        while len(found) > 1 and _rate(found[-2], point) >= _rate(found[-2], found[-1]):
            found.pop()
        found.append(point)
    return found


def _rate(a: Point[T], b: Point[T]) -> float:
    """Loss bought for a unit of cost."""
    return (a.error - b.error) / (b.cost - a.cost)


def least_cost(points: Mapping[str, Sequence[Point[T]]]) -> float:
    """What all layers cost at the least."""
    return sum(min(p.cost for p in each) for each in points.values())


def solve(
    points: Mapping[str, Sequence[Point[T]]], limit: float
) -> dict[str, Point[T]]:
    """An option for each layer, of a cost of at most ``limit`` in sum.

    The limit is at least :func:`least_cost`.
    """
    fronts = {name: front(each) for name, each in points.items()}
    chosen = {name: each[0] for name, each in fronts.items()}
    spent = sum(p.cost for p in chosen.values())
    steps = [
        (_rate(a, b), name, b)
        for name, each in fronts.items()
        for corners in [hull(each)]
        for a, b in pairwise(corners)
    ]
    stopped: set[str] = set()
    for _, name, point in sorted(steps, key=lambda step: -step[0]):
        more = point.cost - chosen[name].cost
        if name in stopped or spent + more > limit:
            stopped.add(name)
            continue
        chosen[name], spent = point, spent + more
    return _filled(fronts, chosen, limit - spent)


def _filled(
    fronts: Mapping[str, Sequence[Point[T]]],
    chosen: dict[str, Point[T]],
    left: float,
) -> dict[str, Point[T]]:
    """Spend what is left on options off the hull, those first that help most."""
    while True:
        better = [
            (chosen[name].error - point.error, name, point)
            for name, each in fronts.items()
            for point in each
            if 0 < point.cost - chosen[name].cost <= left
        ]
        if not better:
            return chosen
        _, name, point = max(better, key=lambda one: one[0])
        left -= point.cost - chosen[name].cost
        chosen[name] = point
