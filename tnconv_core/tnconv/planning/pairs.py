"""Twins that meet around a pair of patterns: one on either side, sharing an output.

Such a pattern has its input leg in one value and no leg in the other, so the meetings
of :mod:`tnconv.planning.sites` do not offer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tnconv.network import Pattern
from tnconv.planning.problem import Problem
from tnconv.planning.sites import Layers, Meeting
from tnconv.planning.state import State


def twin_meetings(
    problem: Problem,
    states: Mapping[int, State],
    layers: Layers,
    free: Sequence[int],
    count: int,
) -> Iterator[Meeting]:
    """Every (twin subsets, two patterns) that makes a subset of ``count`` leaves."""
    if count % 2 or count < 4:
        return
    pairs = _partners(problem, free)
    for first, second in combinations(layers.get(count // 2 - 1, ()), 2):
        if first & second or states[first].twin is None:
            continue
        if states[first].twin != states[second].twin:
            continue
        both = first | second
        for one, other in pairs:
            if both >> one & 1 or both >> other & 1:
                continue
            if _between(problem, states[first], states[second], one, other):
                yield (first, second), (one, other)


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
