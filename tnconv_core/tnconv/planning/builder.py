"""The builder: forms write their steps through it, and it prices them as they come.

The same code prices a candidate and lowers the plan that was chosen, so what is priced
is what runs. Equal steps are written once, so twin sub-networks are contracted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.execution.program import (
    AddInto,
    AxisMap,
    Matmul,
    Pad,
    Shape,
    Step,
    Sum,
    View,
)
from tnconv.planning.cost import Cost, price
from tnconv.planning.machine import Machine

Groups = Sequence[Sequence[str]]


class Value:
    """A register seen through one axis view per dimension: a tensor over labels."""

    __slots__ = ("_moves", "axes", "labels", "register")

    def __init__(self, register: int, axes: tuple[Axis, ...]) -> None:
        self.register = register
        self.axes = axes
        #: the labels, in order of first appearance
        self.labels = tuple(dict.fromkeys([a for axis in axes for a, _ in axis.terms]))
        self._moves: dict[str, int] | None = None

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


class Builder:
    """A growing list of steps over registers of known shape, with its price."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        machine: Machine,
        itemsize: int,
        shapes: Iterable[Shape] = (),
    ) -> None:
        self.sizes = dict(sizes)
        self.machine = machine
        self.itemsize = itemsize
        self.shapes: list[Shape] = list(shapes)
        self.inputs = len(self.shapes)
        self.steps: list[Step] = []
        self.cost = Cost()
        self._known: dict[Step, int] = {}

    # ---- steps

    def add(self, step: Step) -> int:
        """Append a step, or find the register of an equal one."""
        known = self._known.get(step)
        if known is not None:
            return known
        self.steps.append(step)
        self.shapes.append(step.shape)
        self.charge(price(step, self))
        register = len(self.shapes) - 1
        self._known[step] = register
        return register

    def charge(self, cost: Cost) -> None:
        """Add to the price."""
        self.cost += cost

    def turns(self, items: Sequence[Any]) -> Iterator[Any]:
        """The items of an unrolled loop."""
        yield from items

    def all_turns(self, parts: Sequence[int], count: int) -> Sequence[int]:
        """The registers that an unrolled loop of ``count`` turns has collected."""
        return parts

    def plain(self, register: int, groups: Groups) -> Value:
        """A register whose dimensions are the fused ``groups`` of labels."""
        axes = tuple(
            Axis.of(size, *group, sizes=self.sizes)
            for size, group in zip(self.shapes[register], groups, strict=True)
        )
        return Value(register, axes)

    def size(self, labels: Iterable[str]) -> int:
        """The product of label sizes."""
        total = 1
        for label in labels:
            total *= self.sizes[label]
        return total

    # ---- reading

    def padded(self, value: Value) -> Value:
        """The same value on a register where every position it reads exists."""
        if all(axis.in_bounds(self.sizes) for axis in value.axes):
            return value
        window, valid, axes = [], [], []
        for axis in value.axes:
            low, high = axis.reach(self.sizes)
            if axis.low <= low and high < axis.high:
                low, high = 0, axis.size - 1
            window.append((low, high + 1))
            valid.append((axis.low, axis.high))
            axes.append(Axis(high + 1 - low, axis.terms, axis.offset - low))
        shape = tuple(stop - start for start, stop in window)
        step = Pad((value.register,), shape, tuple(window), tuple(valid))
        return Value(self.add(step), tuple(axes))

    def memory_order(self, value: Value, labels: Iterable[str]) -> list[str]:
        """Labels from the slowest to the fastest in memory; of two at one pace (the
        legs of a window) the longer counts as faster."""
        moves = value.strides()
        return sorted(labels, key=lambda a: (-abs(moves.get(a, 0)), self.sizes[a]))

    def fuses(self, value: Value, groups: Groups) -> bool:
        """Whether each group of labels is one dimension without moving data."""
        moves = value.strides()
        for group in groups:
            wide = [a for a in group if self.sizes[a] != 1]
            for outer, inner in pairwise(wide):
                if moves.get(outer, 0) != moves.get(inner, 0) * self.sizes[inner]:
                    return False
        return True

    def is_matrix(self, value: Value, groups: Groups) -> bool:
        """Whether the last two groups form a matrix that BLAS takes as it is."""
        moves = value.strides()
        ends = []
        for group in groups[-2:]:
            wide = [a for a in group if self.sizes[a] != 1]
            length = self.size(group)
            ends.append((moves.get(wide[-1], 0) if wide else 1, length))
        (row, rows), (column, columns) = ends
        if rows == 1 or columns == 1:
            return (row if columns == 1 else column) in (0, 1) or rows == columns
        return (column == 1 and row >= columns) or (row == 1 and column >= rows)

    def read(
        self, value: Value, groups: Groups, *, matrix: bool = False, own: bool = False
    ) -> int:
        """A register whose dimensions are the fused ``groups``.

        Labels that the value lacks are broadcast. ``matrix`` asks for operands BLAS can
        use; ``own`` for contiguous memory.
        """
        value = self.padded(value)
        dims = [label for group in groups for label in group]
        sizes = tuple(self.sizes[label] for label in dims)
        shape = tuple(self.size(group) for group in groups)
        contiguous = self._is_contiguous(value, dims)
        if contiguous and shape == self.shapes[value.register]:
            return value.register  # the very array
        copy = not self.fuses(value, groups) or (own and not contiguous)
        if matrix and not copy and self.machine.strided:
            copy = not self.is_matrix(value, groups)
        if not self.machine.strided and not copy:
            copy = _overlaps(value, self.sizes)
        maps = axis_maps(value.axes, dims)
        step = View((value.register,), shape, maps, sizes, copy)
        return self.add(step)

    def matrix(
        self, value: Value, ahead: Groups, rows: Sequence[str], columns: Sequence[str]
    ) -> int:
        """A register of matrices for BLAS, with batch groups ``ahead``.

        Where it must be copied, the fastest label in memory goes inside and the result
        is turned for free; so the two sides of a Gram product are one copy.
        """
        value = self.padded(value)
        groups = [*ahead, rows, columns]
        order = self.memory_order(
            value, [a for a in (*rows, *columns) if self.sizes[a] != 1]
        )
        ready = self.fuses(value, groups) and self.is_matrix(value, groups)
        if ready or not order or order[-1] not in rows:
            return self.read(value, groups, matrix=True)
        turned = [*ahead, columns, rows]
        return self.read(self.plain(self.read(value, turned, own=True), turned), groups)

    def reduce(self, value: Value, dead: Iterable[str]) -> Value:
        """Sum labels out."""
        dead = set(dead)
        if not dead:
            return value
        order = self.memory_order(value, value.labels)
        kept = [a for a in order if a not in dead]
        gone = [a for a in order if a in dead]
        source = self.read(value, [[a] for a in (*kept, *gone)])
        shape = tuple(self.sizes[a] for a in kept)
        axes = tuple(range(len(kept), len(order)))
        return self.plain(self.add(Sum((source,), shape, axes)), [[a] for a in kept])

    # ---- writing

    def scaled(self, value: Value, scale: Fraction) -> tuple[Value, bool]:
        """Scale the matrix product that was written last, if ``value`` reads it.

        There it costs next to nothing. Returns the value, and whether it is scaled.
        Integers are scaled at the very end, where they are rounded once.
        """
        last = len(self.shapes) - 1
        if not self.machine.inexact or not self.steps or value.register != last:
            return value, False
        step = self.steps[-1]
        if not isinstance(step, Matmul):
            return value, False
        self._known.pop(step, None)
        self.steps[-1] = replace(step, scale=step.scale * scale)
        return value, True

    def add_into(
        self,
        value: Value,
        axes: tuple[Axis, ...],
        total: int | None = None,
        injective: bool = False,
    ) -> int:
        """Scatter a value into zeros (or ``total``) shaped as ``axes``, in range."""
        labels = list(dict.fromkeys(a for axis in axes for a, _ in axis.terms))
        labels += [a for a in value.labels if a not in labels]
        source = self.read(value, [[a] for a in labels])
        shape = tuple(axis.size for axis in axes)
        sources = (source,) if total is None else (source, total)
        maps = axis_maps(axes, labels)
        return self.add(AddInto(sources, shape, maps, injective))

    def _is_contiguous(self, value: Value, dims: Sequence[str]) -> bool:
        if any(axis.offset for axis in value.axes):
            return False
        moves = value.strides()
        step = 1
        for label in reversed(dims):
            if self.sizes[label] != 1 and moves.get(label, 0) != step:
                return False
            step *= self.sizes[label]
        return step == prod(self.shapes[value.register])


def axis_maps(axes: Sequence[Axis], dims: Sequence[str]) -> tuple[AxisMap, ...]:
    """Axes over labels as maps over numbered dimensions."""
    at = {label: j for j, label in enumerate(dims)}
    maps = []
    for axis in axes:
        steps = [0] * len(dims)
        for label, by in axis.terms:
            steps[at[label]] += by
        maps.append(AxisMap(axis.offset, tuple(steps)))
    return tuple(maps)


def _overlaps(value: Value, sizes: Mapping[str, int]) -> bool:
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
