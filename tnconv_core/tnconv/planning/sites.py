"""Which subsets may meet: one with a constraint, two, or two around some patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tnconv.planning.problem import Problem
from tnconv.planning.state import State

#: subsets by how many leaves they hold
Layers = Mapping[int, Sequence[int]]
Meeting = tuple[tuple[int, ...], tuple[int, ...]]


def meetings(
    problem: Problem,
    states: Mapping[int, State],
    layers: Layers,
    free: Sequence[int],
    count: int,
    widest: int,
) -> Iterator[Meeting]:
    """Every (subsets, constraints) that makes a subset of ``count`` leaves.

    ``free`` lists the constraints that may be used up, ``widest`` how many at once.
    """
    for subset in layers.get(count - 1, ()):
        labels = states[subset].labels
        for j in free:
            if not subset >> j & 1 and problem.legs[j] & labels:
                yield (subset,), (j,)
    for between in range(min(widest, count - 2) + 1):
        for small in range(1, (count - between) // 2 + 1):
            large = count - between - small
            for first in layers.get(small, ()):
                for second in layers.get(large, ()):
                    if first & second or (small == large and first >= second):
                        continue
                    pair = first, second
                    for chosen in _joints(problem, states, pair, free, between):
                        yield pair, chosen


def _joints(
    problem: Problem,
    states: Mapping[int, State],
    pair: tuple[int, int],
    free: Sequence[int],
    between: int,
) -> Iterator[tuple[int, ...]]:
    if between:
        yield from combinations(patterns_between(problem, states, pair, free), between)
    elif _touch(problem, states, pair):
        yield ()


def _touch(
    problem: Problem, states: Mapping[int, State], pair: tuple[int, int]
) -> bool:
    """Whether two subsets share a label, or are whole parts (an outer product)."""
    mine, theirs = (states[subset].labels for subset in pair)
    if mine & theirs:
        return True
    outside = problem.union(problem.full & ~(pair[0] | pair[1]))
    return not (mine | theirs) & outside


def patterns_between(
    problem: Problem,
    states: Mapping[int, State],
    pair: tuple[int, int],
    free: Sequence[int],
) -> list[int]:
    """Constraints with a leg in each subset and one in neither: they may be cast."""
    mine, theirs = (states[subset].labels for subset in pair)
    found = []
    for j in free:
        legs = problem.legs[j]
        if (pair[0] | pair[1]) >> j & 1 or not legs & mine or not legs & theirs:
            continue
        if not legs & mine & theirs and legs & ~(mine | theirs):
            found.append(j)
    return found
