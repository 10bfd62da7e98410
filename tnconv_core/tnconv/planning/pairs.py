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

#: two patterns with the same record and the same output label
Partners = Sequence[tuple[int, int]]


def partners(problem: Problem, free: Sequence[int]) -> Partners:
    """Patterns that may be used up in pairs."""
    found = []
    for one, other in combinations(free, 2):
        first, second = problem.constraint(one), problem.constraint(other)
        if not isinstance(first, Pattern) or not isinstance(second, Pattern):
            continue
        if first.index == second.index and first.output == second.output:
            found.append((one, other))
    return found


def twin_meetings(
    problem: Problem,
    states: Mapping[int, State],
    first: int,
    others: Sequence[int],
    pairs: Partners,
) -> Iterator[Meeting]:
    """Every way in which a subset may meet its twin around two patterns."""
    twin = states[first].twin
    if not pairs or twin is None:
        return
    for second in others:
        if first & second or states[second].twin != twin:
            continue
        both = first | second
        for one, other in pairs:
            if both >> one & 1 or both >> other & 1:
                continue
            if _between(problem, states[first], states[second], one, other):
                yield (min(first, second), max(first, second)), (one, other)


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
