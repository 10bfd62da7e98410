"""Subsets in the order of what they cost, as in Dijkstra's algorithm.

A subset is settled when nothing that waits is cheaper. Then it meets those settled
before, and the forms that may join them wait under their floors.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import chain, count
from typing import TYPE_CHECKING

from tnconv.planning.mirror import Mirror
from tnconv.planning.pairs import twin_meetings
from tnconv.planning.prospects import Prospects
from tnconv.planning.site import Form
from tnconv.planning.sites import meetings
from tnconv.planning.state import mirrored
from tnconv.planning.structure import Meeting

if TYPE_CHECKING:
    from tnconv.planning.search import Search

NOWHERE: Meeting = ((), ())


class Exploration:
    """The way from some leaves (states, or single constraints) to their union."""

    def __init__(self, search: Search, leaves: Sequence[int]) -> None:
        self.search = search
        self.target = sum(leaves)
        self.settled: dict[int, None] = {}
        self.mirror = self._mirror(leaves)
        free = [j for j in search.problem.constraints if 1 << j in leaves]
        self.free = [j for j in free if 1 << j not in search.states]
        self._forget(leaves)
        self.prospects = Prospects(search, leaves, self.free, self.mirror)
        self._order = count()  # of equal prices the first comes first
        #: seconds, order, what comes of it, and how: by a form at a meeting, or known
        self._heap: list[tuple[float, int, int, Form | None, Meeting]] = []
        for subset in leaves:
            if subset in search.states:
                self._known(subset)

    def _mirror(self, leaves: Sequence[int]) -> Mirror | None:
        mirror = self.search.problem.mirror
        if mirror and {mirror.image(leaf) for leaf in leaves} == set(leaves):
            return mirror
        return None

    def _forget(self, leaves: Sequence[int]) -> None:
        """Earlier ways to parts of the target are found again, or better ones."""
        states, kept = self.search.states, {*leaves, self.target}
        for subset in [x for x in states if not x & ~self.target and x not in kept]:
            del states[subset]

    def run(self) -> bool:
        """Settle subsets until the target is, or all that waits is too dear; False
        where patience ended first."""
        search, target = self.search, self.target
        while self._heap and self._heap[0][0] <= search.limit(target):
            if len(self._heap) > search.patience:
                return False
            seconds, _, subset, form, meeting = heappop(self._heap)
            if subset in self.settled:
                continue
            if form is None:
                if subset == target:
                    return True
                self._settle(subset)
            elif seconds - self.prospects.after(subset) < self._limit(subset):
                if search.price(form, meeting, self._limit(subset)):
                    self._known(subset)
        return True

    def _limit(self, subset: int) -> float:
        """What may be paid for a subset: less than the best way known to it, and than
        the best way to the target less the rest."""
        state, rest = self.search.states.get(subset), self.prospects.after(subset)
        limit = self.search.limit(self.target) - rest
        return limit if state is None else min(limit, state.seconds)

    def _wait(
        self, seconds: float, subset: int, form: Form | None, at: Meeting
    ) -> None:
        """Let a way to a subset wait for its turn: price and rest together."""
        entry = (seconds + self.prospects.after(subset), next(self._order), subset)
        heappush(self._heap, (*entry, form, at))

    def _known(self, subset: int) -> None:
        self._wait(self.search.states[subset].seconds, subset, None, NOWHERE)

    def _settle(self, subset: int) -> None:
        """No cheaper way will be found: what can be made of it waits now."""
        search, others = self.search, list(self.settled)
        self.settled[subset] = None
        problem, free = search.problem, self.free
        plain = meetings(problem, subset, others, free, search.widest)
        twins = twin_meetings(problem, subset, self._copies(subset), free)
        for joined, meeting in chain(plain, twins):
            if joined in self.settled or self._is_image(joined):
                continue
            limit = self._limit(joined)
            for floor, form in search.offers(meeting) if limit > 0 else ():
                if floor < limit:
                    self._wait(floor, joined, form, meeting)
        self._reflect(subset)

    def _copies(self, subset: int) -> list[int]:
        """The subsets settled before that are copies of this one."""
        states, twin = self.search.states, self.search.states[subset].twin
        return [x for x in self.settled if twin and states[x].twin == twin]

    def _is_image(self, subset: int) -> bool:
        """Whether a subset is settled together with its mirror image."""
        return self._image(subset) < subset

    def _image(self, subset: int) -> int:
        return self.mirror.apart(subset) if self.mirror else subset

    def _reflect(self, subset: int) -> None:
        """What was found for a subset holds for its mirror image."""
        image, states = self._image(subset), self.search.states
        if self.mirror and image > subset and image not in states:
            labels = self.search.problem.alive(image)
            states[image] = mirrored(states[subset], labels, self.mirror, states)
            self._known(image)
