"""Which subsets may meet: one with a constraint or some marginal ones, two, or two
around some patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from tnconv.planning.problem import Problem
from tnconv.planning.structure import Joined, Meeting, subset_of


def meetings(
    problem: Problem,
    first: int,
    others: Sequence[int],
    free: Sequence[int],
    widest: int,
) -> Iterator[Joined]:
    """Every way in which a subset may meet a constraint, or one of the others, and what
    comes of it.

    ``free`` lists the constraints that may be used up, ``widest`` how many at once.
    """
    structure, left = problem.structure, sum([1 << j for j in free])
    alone = structure.alone.get((first, left))
    if alone is None:
        found = _alone(problem, first, free)
        alone = structure.alone[first, left] = _joined(found)
    yield from alone
    near, alive, pairs = _near(problem, first, free), problem.alive, structure.pairs
    for second in others:
        if first & second or not (near < 0 or alive(second) & near):
            continue
        key = first, second, left, widest
        together = pairs.get(key)
        if together is None:
            found = _together(problem, first, second, free, widest)
            together = pairs[key] = _joined(found)
        yield from together


def _joined(found: Iterable[Meeting]) -> tuple[Joined, ...]:
    return tuple([(subset_of(meeting), meeting) for meeting in found])


def _alone(problem: Problem, first: int, free: Sequence[int]) -> Iterator[Meeting]:
    """A subset with a constraint, or with marginal ones."""
    labels = problem.alive(first)
    touching = [j for j in free if not first >> j & 1 and problem.legs[j] & labels]
    for j in touching:
        yield (first,), (j,)
    for chosen in _marginals(problem, first, touching):
        yield (first,), chosen


def _together(
    problem: Problem, first: int, second: int, free: Sequence[int], widest: int
) -> Iterator[Meeting]:
    """Two subsets, or two around some patterns."""
    pair = (first, second) if first < second else (second, first)
    if _touch(problem, pair):
        yield pair, ()
    for chosen in _joints(problem, pair, free, widest):
        yield pair, chosen


def _marginals(
    problem: Problem, first: int, touching: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Sets of patterns that replace one leg of a subset by another: the third stands
    nowhere else."""
    labels, found = problem.alive(first), []
    for j in touching:
        alive, legs = problem.alive(first | 1 << j), problem.legs[j]
        mine, made = legs & labels, legs & alive
        if not mine & made and mine.bit_count() == made.bit_count() == 1:
            found.append(j)
    for count in range(2, min(3, len(found)) + 1):
        for chosen in combinations(found, count):
            if _are_apart(problem, chosen):
                yield chosen


def _are_apart(problem: Problem, chosen: tuple[int, ...]) -> bool:
    """Whether no leg is on two of the patterns: as with the axes of a convolution."""
    legs = 0
    for j in chosen:
        if legs & problem.legs[j]:
            return False
        legs |= problem.legs[j]
    return True


def _near(problem: Problem, subset: int, free: Sequence[int]) -> int:
    """Labels of a subset and of the constraints that touch it; of a whole part, all."""
    near = labels = problem.alive(subset)
    if not labels & problem.union(problem.full & ~subset):
        return -1
    for j in free:
        if problem.legs[j] & labels:
            near |= problem.legs[j]
    return near


def _touch(problem: Problem, pair: tuple[int, int]) -> bool:
    """Whether two subsets share a label, or are whole parts (an outer product)."""
    mine, theirs = problem.alive(pair[0]), problem.alive(pair[1])
    if mine & theirs:
        return True
    outside = problem.union(problem.full & ~(pair[0] | pair[1]))
    return not (mine | theirs) & outside


def _joints(
    problem: Problem, pair: tuple[int, int], free: Sequence[int], widest: int
) -> Iterator[tuple[int, ...]]:
    """Sets of patterns that are cast alike between two subsets."""
    if not widest:
        return
    groups: dict[tuple[int, int], list[int]] = {}
    mine, theirs = problem.alive(pair[0]), problem.alive(pair[1])
    taken, both = pair[0] | pair[1], mine & theirs
    for j in free:
        legs = problem.legs[j]
        if legs & mine and legs & theirs and not taken >> j & 1 and not legs & both:
            cast = _cast(problem.leg_bits[j], mine, theirs)
            if cast is not None:
                groups.setdefault(cast, []).append(j)
    for group in groups.values():
        for count in range(1, min(widest, len(group)) + 1):
            for chosen in combinations(group, count):
                apart = _are_apart(problem, chosen)
                if apart and _is_closed(problem, taken, mine | theirs, chosen):
                    yield chosen


def _cast(bits: tuple[int, ...], mine: int, theirs: int) -> tuple[int, int] | None:
    """Which leg of a pattern either side carries, where that is one leg each."""
    here = [leg for leg, bit in enumerate(bits) if bit & mine]
    there = [leg for leg, bit in enumerate(bits) if bit & theirs]
    if len(here) != 1 or len(there) != 1 or len(bits) == 2:
        return None
    return here[0], there[0]


def _is_closed(
    problem: Problem, taken: int, carried: int, chosen: tuple[int, ...]
) -> bool:
    """Whether the legs carried die with the patterns, and the others live on."""
    legs = 0
    for j in chosen:
        taken |= 1 << j
        legs |= problem.legs[j]
    alive = problem.alive(taken)
    return alive & legs == legs & ~carried
