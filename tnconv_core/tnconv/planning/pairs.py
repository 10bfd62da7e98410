"""Twins that meet around a pair of patterns: one on either side, sharing an output.

Such a pattern has its input leg in one value and no leg in the other, so the meetings
of :mod:`tnconv.planning.sites` do not offer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from tnconv.network import Pattern
from tnconv.planning.problem import Problem
from tnconv.planning.structure import Joined, subset_of


def twin_meetings(
    problem: Problem, first: int, copies: Sequence[int], free: Sequence[int]
) -> Iterator[Joined]:
    """Every way in which a subset may meet one of its copies around two patterns, and
    what comes of it."""
    copies = [copy for copy in copies if not first & copy]
    pairs = _partners(problem, free) if copies else []
    for copy in copies:
        pair = (first, copy) if first < copy else (copy, first)
        for one, other in pairs:
            if (first | copy) & (1 << one | 1 << other):
                continue
            if _between(problem, pair, one, other):
                meeting = pair, (one, other)
                yield subset_of(meeting), meeting


def _partners(problem: Problem, free: Sequence[int]) -> list[tuple[int, int]]:
    """Patterns with the same record and the same output label."""
    found = []
    for one, other in combinations(free, 2):
        first, second = problem.constraint(one), problem.constraint(other)
        if not isinstance(first, Pattern) or not isinstance(second, Pattern):
            continue
        if first.index == second.index and first.output == second.output:
            found.append((one, other))
    return found


def _between(problem: Problem, pair: tuple[int, int], one: int, other: int) -> bool:
    """Whether one input leg is in each value, and no other leg of the two in either."""
    mine, theirs = problem.alive(pair[0]), problem.alive(pair[1])
    carried = (problem.legs[one] | problem.legs[other]) & (mine | theirs)
    inputs = [problem.leg_bits[n][0] for n in (one, other)]
    ends = {inputs[0] & mine, inputs[1] & theirs}
    turned = {inputs[1] & mine, inputs[0] & theirs}
    apart = inputs[0] != inputs[1] and carried == inputs[0] | inputs[1]
    return apart and (0 not in ends or 0 not in turned)
