"""Which role two values play around some patterns: forward, transposed or weight.

Each pattern must have one leg in the left value only, one in the right value only, both
dead afterwards, and the third in neither but alive; all patterns alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tnconv.network import Pattern
from tnconv.planning.builder import Value
from tnconv.planning.site import Site

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
    patterns = tuple(p for p in site.constraints if isinstance(p, Pattern))
    if len(patterns) != len(site.constraints) or len(site.values) != 2:
        return
    for role in ROLES:
        for sides in (False, True):
            for legs in (False, True):
                cast = cast_as(site, role, sides, legs)
                if _fits(cast, site.alive):
                    yield role, sides, legs, cast


def cast_as(site: Site, role: str, sides: bool, legs: bool) -> Casting:
    """Left and right exchanged if ``sides``; kernel and output legs if ``legs``."""
    left, right = reversed(site.values) if sides else site.values
    patterns = tuple(p for p in site.constraints if isinstance(p, Pattern))
    if legs:
        patterns = tuple(
            replace(p, index=p.index.swap(), output=p.kernel, kernel=p.output)
            for p in patterns
        )
    return Casting(role, left, right, patterns)


def _fits(cast: Casting, alive: frozenset[str]) -> bool:
    mine, theirs = set(cast.left.labels), set(cast.right.labels)
    first, second, third = ROLES[cast.role]
    for pattern in cast.patterns:
        a, b, c = (getattr(pattern, leg) for leg in (first, second, third))
        if a not in mine or a in theirs or b not in theirs or b in mine:
            return False
        if c in mine or c in theirs or c not in alive or {a, b} & alive:
            return False
    return True
