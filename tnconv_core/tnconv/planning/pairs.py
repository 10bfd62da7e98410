"""Twins that meet around a pair of patterns: one on either side, sharing an output.

Such a pattern has its input leg in one value and no leg in the other, so the meetings
of :mod:`tnconv.planning.sites` do not offer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tnconv.network import Pattern
from tnconv.planning.problem import Problem
from tnconv.planning.sites import Meeting
from tnconv.planning.state import State


def twin_meetings(
    problem: Problem,
    states: Mapping[int, State],
    first: int,
    others: Sequence[int],
    free: Sequence[int],
) -> Iterator[Meeting]:
    """Every way in which a subset may meet a copy of itself around two patterns."""
    twin = states[first].twin
    copies = [
        other
        for other in others
        if twin is not None and not first & other and states[other].twin == twin
    ]
    if not copies:
        return
    pairs = _partners(problem, free)
    for copy in copies:
        pair = (first, copy) if first < copy else (copy, first)
        mine, theirs = (states[subset] for subset in pair)
        for one, other in pairs:
            if (first | copy) & (1 << one | 1 << other):
                continue
            if _between(problem, mine, theirs, one, other):
                yield pair, (one, other)


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


def _between(
    problem: Problem, mine: State, theirs: State, one: int, other: int
) -> bool:
    """Whether one input leg is in each value, and no other leg of the two in either."""
    carried = (problem.legs[one] | problem.legs[other]) & (mine.labels | theirs.labels)
    inputs = [problem.label_bits[problem.constraint(n).labels[0]] for n in (one, other)]
    ends = {inputs[0] & mine.labels, inputs[1] & theirs.labels}
    turned = {inputs[1] & mine.labels, inputs[0] & theirs.labels}
    apart = inputs[0] != inputs[1] and carried == inputs[0] | inputs[1]
    return apart and (0 not in ends or 0 not in turned)
