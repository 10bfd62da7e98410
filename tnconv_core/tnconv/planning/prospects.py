"""What is still to come, at least: the search on floors alone, before any price.

With floors in the place of prices the whole search is a few sums over bitmasks. Forward
it finds what every subset costs at least, backward what the rest of a plan costs at
least once a subset is there. A subset that is dearer than the best plan known less this
rest is in no better plan; and in the order of price and rest together, few are tried
that the best plan does not need (A* on derivations: Felzenszwalb and McAllester, The
generalized A* architecture, JAIR 29, 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tnconv.planning.mirror import Mirror
from tnconv.planning.outline import NEVER
from tnconv.planning.pairs import twin_meetings
from tnconv.planning.sites import meetings
from tnconv.planning.structure import Meeting

if TYPE_CHECKING:
    from tnconv.planning.search import Search

#: meetings that are looked at before it is given up: large networks have too many
MEETINGS = 1000


class Prospects:
    """The rest of a plan, at least, for every subset on the way to ``target``.

    It is a true bound as long as floors are: they are part of every price, and what two
    parts cost counts once where they may be copies. So it never falls by more than a
    price from part to whole, and what is settled in this order is settled for good.
    """

    def __init__(
        self,
        search: Search,
        leaves: Sequence[int],
        free: Sequence[int],
        mirror: Mirror | None,
    ) -> None:
        self._search, self._free, self._mirror = search, free, mirror
        self._target = sum(leaves)
        self._limit = search.limit(self._target)
        self._before: dict[int, float] = {}
        #: for every subset, by number of operands, the ways to it: parts and floor
        self._ways: list[dict[int, list[tuple[tuple[int, ...], float]]]]
        self._ways = [{} for _ in range(self._target.bit_count() + 1)]
        for leaf in leaves:
            if leaf in search.states:
                self._before[leaf] = search.states[leaf].seconds
                self._ways[leaf.bit_count()][leaf] = []
        self._after: dict[int, float] = {self._target: 0.0}
        self._otherwise = 0.0
        if self._grow():
            self._otherwise = NEVER
            self._look_back()

    def after(self, subset: int) -> float:
        """Seconds from this subset on, at least; NEVER where it leads nowhere."""
        return self._after.get(subset, self._otherwise)

    def _grow(self) -> bool:
        """Find what every subset costs at least; False where there are too many."""
        problem, widest = self._search.problem, self._search.widest
        others: list[int] = []
        alike: dict[int, list[int]] = {}
        left = MEETINGS
        for layer in self._ways:
            for subset in layer:
                copies = alike.setdefault(problem.makeup(subset), [])
                plain = meetings(problem, subset, others, self._free, widest)
                twins = twin_meetings(problem, subset, copies, self._free)
                for joined, meeting in chain(plain, twins):
                    self._meet(joined, meeting)
                    left -= 1
                if left < 0:
                    return False
                others.append(subset)
                copies.append(subset)
        return True

    def _meet(self, joined: int, meeting: Meeting) -> None:
        """One more way to what comes of a meeting, unless it is too dear."""
        image, paid = self._image(joined), self._paid(meeting[0])
        if image < joined or paid >= self._limit:
            return
        floor = min([floor for floor, _ in self._search.floors(meeting)], default=NEVER)
        seconds = paid + floor
        if seconds >= self._limit:
            return
        ways = self._ways[joined.bit_count()]
        ways.setdefault(joined, []).append((meeting[0], floor))
        ways.setdefault(image, [])
        least = min(seconds, self._before.get(joined, NEVER))
        self._before[joined] = self._before[image] = least

    def _paid(self, parts: tuple[int, ...]) -> float:
        if len(parts) == 1:
            return self._before[parts[0]]
        first, second = self._before[parts[0]], self._before[parts[1]]
        if self._may_be_copies(parts):
            return max(first, second)
        return first + second

    def _may_be_copies(self, parts: tuple[int, ...]) -> bool:
        makeup = self._search.problem.makeup
        return len(parts) == 2 and makeup(parts[0]) == makeup(parts[1])

    def _look_back(self) -> None:
        """From the target on: the rest after a part is a floor, what the other part
        costs, and the rest after both."""
        for layer in reversed(self._ways):
            for joined, ways in layer.items():
                rest = self._after.get(joined, NEVER)
                for parts, floor in ways if rest < NEVER else ():
                    apart = len(parts) == 2 and not self._may_be_copies(parts)
                    for part, other in zip(parts, reversed(parts), strict=True):
                        beside = self._before[other] if apart else 0.0
                        self._lower(part, rest + floor + beside)

    def _lower(self, subset: int, seconds: float) -> None:
        if seconds < self._after.get(subset, NEVER):
            self._after[subset] = self._after[self._image(subset)] = seconds

    def _image(self, subset: int) -> int:
        return self._mirror.apart(subset) if self._mirror else subset
