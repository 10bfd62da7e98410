"""A tensor while planning: a register seen through affine views of its axes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from tnconv.axis import Axis
from tnconv.execution.program import AxisMap, Pad


class Value:
    """A register seen through one axis view per dimension: a tensor over labels.

    What follows from the axes alone is worked out once, when somebody asks.
    """

    __slots__ = ("_made", "_moves", "_order", "_pad", "axes", "labels", "register")

    def __init__(self, register: int, axes: tuple[Axis, ...]) -> None:
        self.register = register
        self.axes = axes
        #: the labels, in order of first appearance
        self.labels = tuple(dict.fromkeys([a for axis in axes for a, _ in axis.terms]))
        self._moves: dict[str, int] | None = None
        self._order: tuple[str, ...] = ()
        self._pad: tuple[Pad | None, Value] | None = None
        self._made: dict[Hashable, Value] = {}

    def strides(self) -> Mapping[str, int]:
        """How far each label moves in memory, in elements."""
        if self._moves is None:
            moves: dict[str, int] = {}
            step = 1
            for axis in reversed(self.axes):
                for label, by in axis.terms:
                    moves[label] = moves.get(label, 0) + by * step
                step *= axis.size
            self._moves = moves
        return self._moves

    def order(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        """The labels from the slowest to the fastest in memory."""
        if not self._order and self.labels:
            moves = self.strides()
            paces = sorted([(-abs(moves[a]), sizes[a], a) for a in self.labels])
            self._order = tuple([a for _, _, a in paces])
        return self._order

    def pad(self, sizes: Mapping[str, int]) -> tuple[Pad | None, Value]:
        """The padding that makes every position exist, and the value then (its
        register aside); None where all exist."""
        if self._pad is None:
            inside = all([axis.in_bounds(sizes) for axis in self.axes])
            self._pad = (None, self) if inside else _padding(self, sizes)
        return self._pad

    def made(self, key: Hashable, axes: Callable[[], tuple[Axis, ...]]) -> Value:
        """The same register seen through other axes; made once for every key."""
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Value(self.register, axes())
        return found

    def at(self, register: int) -> Value:
        """The same axes on another register; made once for every register."""
        found = self._made.get(register)
        if found is None:
            found = self._made[register] = Value(register, self.axes)
            found._moves, found._order = self._moves, self._order
        return found


def _padding(value: Value, sizes: Mapping[str, int]) -> tuple[Pad, Value]:
    window, valid, axes = [], [], []
    for axis in value.axes:
        low, high = axis.reach(sizes)
        if axis.low <= low and high < axis.high:
            low, high = 0, axis.size - 1
        window.append((low, high + 1))
        valid.append((axis.low, axis.high))
        axes.append(Axis(high + 1 - low, axis.terms, axis.offset - low))
    shape = tuple(stop - start for start, stop in window)
    step = Pad((value.register,), shape, tuple(window), tuple(valid))
    padded = Value(value.register, tuple(axes))
    padded.order(sizes)
    return step, padded


def axis_maps(axes: Sequence[Axis], dims: Sequence[str]) -> tuple[AxisMap, ...]:
    """Axes over labels as maps over numbered dimensions."""
    at = {label: j for j, label in enumerate(dims)}
    maps, none = [], [0] * len(dims)
    for axis in axes:
        steps = none.copy()
        for label, by in axis.terms:
            steps[at[label]] += by
        maps.append(AxisMap(axis.offset, tuple(steps)))
    return tuple(maps)


def overlaps(value: Value, sizes: Mapping[str, int]) -> bool:
    """Whether reading needs more than splits and slices: windows or diagonals."""
    labels = [a for axis in value.axes for a, _ in axis.terms]
    if len(set(labels)) != len(labels):
        return True
    for axis in value.axes:
        reach = 0
        for label, step in sorted(axis.terms, key=lambda term: abs(term[1])):
            if sizes[label] > 1 and abs(step) <= reach:
                return True
            reach += abs(step) * max(0, sizes[label] - 1)
    return False
