"""The builder: forms write their steps through it, and it prices them as they come.

The same code prices a candidate and lowers the plan that was chosen, so what is priced
is what runs. Equal steps are written once, so twin sub-networks are contracted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.execution.program import (
    AddInto,
    Conjugate,
    Constant,
    Gram,
    Matmul,
    Scale,
    Shape,
    Stack,
    Step,
    Sum,
    View,
)
from tnconv.planning.copies import saves
from tnconv.planning.cost import Cost, price
from tnconv.planning.machine import Machine
from tnconv.planning.value import Value, axis_maps, overlaps

__all__ = ["Builder", "Groups", "Value", "axis_maps"]

Groups = Sequence[Sequence[str]]


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
        #: the strides of registers, as far as they were asked for
        self.strides: dict[int, list[int]] = {}
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
        self.cost = self.cost.plus(cost)

    def expect(self, seconds: float) -> None:
        """Say what steps to come cost at least, an estimate may give up on it; 0 when
        they come."""

    def affords(self, seconds: float) -> bool:
        """Whether steps that cost so much are worth writing at all."""
        return True

    def turns(self, items: Sequence[Any]) -> Iterator[Any]:
        """The items of an unrolled loop."""
        yield from items

    def all_turns(self, parts: Sequence[int], count: int) -> Sequence[int]:
        """The registers that an unrolled loop of ``count`` turns has collected."""
        return parts

    def plain(self, register: int, groups: Groups) -> Value:
        """A register whose dimensions are the fused ``groups`` of labels."""
        sizes, shape = self.sizes, self.shapes[register]
        pairs = zip(shape, groups, strict=True)
        axes = [Axis.of(size, *group, sizes=sizes) for size, group in pairs]
        return Value(register, tuple(axes))

    def size(self, labels: Iterable[str]) -> int:
        """The product of label sizes."""
        sizes, total = self.sizes, 1
        for label in labels:
            total *= sizes[label]
        return total

    # ---- reading

    def padded(self, value: Value) -> Value:
        """The same value on a register where every position it reads exists."""
        step, padded = value.pad(self.sizes)
        return value if step is None else padded.at(self.add(step))

    def memory_order(self, value: Value, labels: Iterable[str]) -> list[str]:
        """Labels from the slowest to the fastest in memory; of two at one pace (the
        legs of a window) the longer counts as faster, then the later name."""
        wanted, order = set(labels), value.order(self.sizes)
        found = [a for a in order if a in wanted]
        if len(found) < len(wanted):
            absent = wanted.difference(found)
            found += sorted(absent, key=lambda a: (self.sizes[a], a))
        return found

    def fuses(self, value: Value, groups: Groups) -> bool:
        """Whether each group of labels is one dimension without moving data."""
        moves, sizes = value.strides(), self.sizes
        for group in groups:
            pace = None
            for label in reversed(group):
                size = sizes[label]
                if size == 1:
                    continue
                move = moves.get(label, 0)
                if pace is not None and move != pace:
                    return False
                pace = move * size
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
        self,
        value: Value,
        groups: Groups,
        *,
        matrix: bool = False,
        own: bool = False,
        run: bool = False,
    ) -> int:
        """A register whose dimensions are the fused ``groups``.

        Labels that the value lacks are broadcast. ``matrix`` asks for operands BLAS can
        use; ``own`` for contiguous memory; ``run`` for that or a run of a larger array.
        """
        value = self.padded(value)
        copy = not self.fuses(value, groups)
        if matrix and not copy and self.machine.strided:
            copy = not self.is_matrix(value, groups)
        if run and not copy:
            copy = not self._is_run(value, [a for group in groups for a in group])
        return self._taken(value, groups, copy, own)

    def _taken(self, value: Value, groups: Groups, copy: bool, own: bool) -> int:
        """The array itself where it is that already, else a view or a copy of it."""
        dims = [label for group in groups for label in group]
        shape = tuple([self.size(group) for group in groups])
        contiguous = self._is_contiguous(value, dims)
        if contiguous and shape == self.shapes[value.register]:
            return value.register
        copy = copy or (own and not contiguous)
        if not copy and not self.machine.strided:
            copy = overlaps(value, self.sizes)
        return self.look(value, dims, shape, copy)

    def look(self, value: Value, dims: Sequence[str], shape: Shape, copy: bool) -> int:
        """The value over the labels ``dims``, fused to a shape: a view, or a copy."""
        sizes = tuple([self.sizes[label] for label in dims])
        maps = axis_maps(value.axes, dims)
        return self.add(View((value.register,), shape, maps, sizes, copy))

    def matrix(
        self, value: Value, ahead: Groups, rows: Sequence[str], columns: Sequence[str]
    ) -> int:
        """A register of matrices for BLAS, with batch groups ``ahead``.

        Where it must be copied, the fastest label in memory goes inside and the result
        is turned for free, so the two sides of a Gram product are one copy; unless the
        other way around, along a cache line too, saves more than it takes BLAS to read
        an operand that is turned.
        """
        value = self.padded(value)
        straight, turned = [*ahead, rows, columns], [*ahead, columns, rows]
        fuses = self.fuses(value, straight)
        ready = fuses and self.is_matrix(value, straight)
        wide = [a for a in (*rows, *columns) if self.sizes[a] != 1]
        order = [] if ready else self.memory_order(value, wide)
        usual = turned if order and order[-1] in rows else straight
        other = straight if usual is turned else turned
        best = other if order and saves(value, other, usual, self) else usual
        if best is straight:
            copy = not (ready if self.machine.strided else fuses)
            return self._taken(value, straight, copy, False)
        copied = self.plain(self.read(value, turned, own=True), turned)
        return self.read(copied, straight)

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
        """Scale what was written last, if ``value`` reads it: a product or a stack at
        next to no cost, any other array where it is, before it is seen in another
        shape.

        Returns the value, and whether it is scaled. Integers are scaled at the very
        end, where they are rounded once.
        """
        last = len(self.shapes) - 1
        if not self.machine.inexact or not self.steps or value.register != last:
            return value, False
        step = self.steps[-1]
        if isinstance(step, (View, Conjugate, Constant)):
            return value, False
        if not isinstance(step, (Matmul, Gram, Stack)):
            ratio = scale.numerator, scale.denominator
            return value.at(self.add(Scale((last,), step.shape, *ratio))), True
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
        for axis in value.axes:
            if axis.offset:
                return False
        if not self._is_run(value, dims):
            return False
        return self.size(dims) == prod(self.shapes[value.register])

    def _is_run(self, value: Value, dims: Sequence[str]) -> bool:
        """Whether ``dims`` read memory in order and without gaps."""
        moves, sizes, step = value.strides(), self.sizes, 1
        for label in reversed(dims):
            size = sizes[label]
            if size != 1:
                if moves.get(label, 0) != step:
                    return False
                step *= size
        return True
