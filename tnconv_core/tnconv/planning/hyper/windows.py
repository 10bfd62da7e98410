"""Windows of a plan, planned again exactly until nothing improves."""

from __future__ import annotations

from collections.abc import Hashable

from tnconv.planning.search import Search
from tnconv.planning.state import State

#: states and constraints that are planned together again, exactly
WINDOW = 6


def refine(found: Search) -> None:
    """Plan windows of the way to the whole again, exactly, until nothing improves.

    A window is a subset that was contracted, seen as a union of at most ``WINDOW``
    smaller ones and of the constraints between them.
    """
    full, before = found.problem.full, float("inf")
    planned: set[Hashable] = set()
    while found.states[full].seconds < before:
        before = found.states[full].seconds
        _sweep(found, found.states[full], planned)


def _sweep(found: Search, state: State, planned: set[Hashable]) -> None:
    """The parts first, then the window that ends in this state, if it is new."""
    for part in state.parts:
        if part.parts:
            _sweep(found, part, planned)
    leaves = _window(found, state)
    if (window := tuple([(leaf.subset, leaf.seconds) for leaf in leaves])) in planned:
        return
    planned.add(window)
    found.states.update({leaf.subset: leaf for leaf in leaves})
    used = sum(leaf.subset for leaf in leaves)
    rules = [1 << j for j in found.problem.constraints if state.subset & ~used & 1 << j]
    found.combine([*(leaf.subset for leaf in leaves), *rules])


def _window(found: Search, state: State) -> list[State]:
    """The states that a window starts from: the largest are taken apart."""
    leaves = [found.states.get(part.subset, part) for part in state.parts]
    rules = len(state.constraints)
    while True:
        open_ones = [leaf for leaf in leaves if leaf.parts]
        if not open_ones:
            return leaves
        widest = max(open_ones, key=lambda leaf: leaf.subset.bit_count())
        more = len(widest.parts) - 1 + len(widest.constraints)
        if len(leaves) + rules + more > WINDOW:
            return leaves
        leaves.remove(widest)
        leaves += widest.parts
        rules += len(widest.constraints)
