"""Affine maps as nested splits: which dimensions meet, which must be looped over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnconv.execution.program import AxisMap


@dataclass(frozen=True, slots=True)
class Term:
    """A dimension that moves along an axis by ``step`` (positive), ``size`` long."""

    dim: int
    step: int
    size: int


def extent(terms: Sequence[Term]) -> int:
    """Positions from the first to the last that the terms reach."""
    return 1 + sum(t.step * (t.size - 1) for t in terms)


def nests(terms: Sequence[Term]) -> bool:
    """Whether the outermost term's step clears all the others."""
    return terms[0].step >= extent(terms[1:])


def ordered(terms: Sequence[Term]) -> list[Term]:
    """From the longest step to the shortest."""
    return sorted(terms, key=lambda t: (-t.step, -t.size))


def terms_of(axis: AxisMap, dims: Sequence[int]) -> list[Term]:
    """The dimensions longer than 1 that move along an axis."""
    return [
        Term(d, by, dims[d]) for d, by in enumerate(axis.steps) if by and dims[d] != 1
    ]


def colliding(maps: Sequence[AxisMap], dims: Sequence[int]) -> tuple[int, ...]:
    """Dimensions to loop over so that the rest never writes one position twice."""
    rest = [[t for t in terms_of(axis, dims)] for axis in maps]
    fixed: set[int] = set()
    looped: list[int] = []
    while True:
        open_axes = [[t for t in axis if t.dim not in fixed] for axis in rest]
        clear = [axis for axis in open_axes if axis and _all_nest(axis)]
        if clear:
            fixed |= {t.dim for axis in clear for t in axis}
            continue
        stuck = [t for axis in open_axes for t in axis]
        if not stuck:
            return tuple(looped)
        least = min(stuck, key=lambda t: (t.size, t.dim))
        looped.append(least.dim)
        fixed.add(least.dim)


def _all_nest(terms: Sequence[Term]) -> bool:
    line = sorted(
        (Term(t.dim, abs(t.step), t.size) for t in terms), key=lambda t: -t.step
    )
    return all(nests(line[j:]) for j in range(len(line)))


def shared_axes(maps: Sequence[AxisMap], dims: Sequence[int]) -> list[list[int]]:
    """Axes in groups that share no dimension with another group."""
    groups: list[tuple[list[int], set[int]]] = []
    for j, axis in enumerate(maps):
        mine = {t.dim for t in terms_of(axis, dims)}
        members, together = [j], set(mine)
        for group in [g for g in groups if g[1] & mine]:
            groups.remove(group)
            members, together = group[0] + members, together | group[1]
        groups.append((members, together))
    return [sorted(members) for members, _ in groups]
