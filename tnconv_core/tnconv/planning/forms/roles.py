"""Which role two values play around some patterns: forward, transposed or weight.

Each pattern must have one leg in the left value only, one in the right value only, both
dead afterwards, and the third in neither but alive; all patterns alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from tnconv.network import Pattern
from tnconv.planning.builder import Value
from tnconv.planning.site import Constraint, Site

#: role -> the legs (left, right, result)
ROLES = {
    "forward": ("input", "kernel", "output"),
    "transposed": ("output", "kernel", "input"),
    "weight": ("input", "output", "kernel"),
}


@dataclass(frozen=True, slots=True)
class Casting:
    """Left and right value, and the patterns, as a role wants them."""

    role: str
    left: Value
    right: Value
    patterns: tuple[Pattern, ...]

    def legs(self, which: int) -> list[str]:
        """The labels of the left (0), right (1) or result (2) legs."""
        leg = ROLES[self.role][which]
        return [str(getattr(pattern, leg)) for pattern in self.patterns]


def castings(site: Site) -> Iterator[tuple[str, bool, bool, Casting]]:
    """Every (role, sides swapped, kernel and output swapped) that fits."""
    if len(site.values) != 2:
        return
    carried = {_carried(site, constraint) for constraint in site.constraints}
    if len(carried) == 1:
        for role, sides, legs in _ways(*carried.pop()):
            yield role, sides, legs, cast_as(site, role, sides, legs)


def _carried(site: Site, constraint: Constraint) -> tuple[str, str]:
    """The leg that either value has, if it is one each and dies, and the third leg is
    in neither but alive; else nothing."""
    left, right = site.values
    first, second = [], []
    if isinstance(constraint, Pattern):
        for leg, label in zip(_SWAPPED, constraint.labels, strict=True):
            mine, theirs = label in left.labels, label in right.labels
            if (mine or theirs) is (label in site.alive):
                return "", ""
            first += [leg] * mine
            second += [leg] * theirs
    if len(first) != 1 or len(second) != 1:
        return "", ""
    return first[0], second[0]


#: the legs of a pattern, and what they are after kernel and output are swapped
_SWAPPED = {"input": "input", "output": "kernel", "kernel": "output"}


@cache
def _ways(first: str, second: str) -> tuple[tuple[str, bool, bool], ...]:
    """(role, sides swapped, legs swapped) by the legs that two values carry."""
    found = []
    for role, sides, legs in product(ROLES, (False, True), (False, True)):
        pair = [second, first] if sides else [first, second]
        if legs:
            pair = [_SWAPPED.get(leg, "") for leg in pair]
        if pair == list(ROLES[role][:2]):
            found.append((role, sides, legs))
    return tuple(found)


def cast_as(site: Site, role: str, sides: bool, legs: bool) -> Casting:
    """Left and right exchanged if ``sides``; kernel and output legs if ``legs``."""
    left, right = reversed(site.values) if sides else site.values
    patterns = tuple(p for p in site.constraints if isinstance(p, Pattern))
    if legs:
        patterns = tuple(
            Pattern(p.index.swap(), p.input, p.kernel, p.output) for p in patterns
        )
    return Casting(role, left, right, patterns)
