"""A builder that only prices, and gives up where a candidate is too dear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from tnconv.execution.program import Shape, Step, View
from tnconv.planning.builder import Builder, Value
from tnconv.planning.cost import Cost, copy_cost, price
from tnconv.planning.strides import fused, paces


class TooDearError(Exception):
    """Raised inside the search only: a candidate already costs more than the best."""


class Estimator(Builder):
    """A builder that only prices: of an unrolled loop it writes the first turn.

    It gives up (TooDearError) once the price passes ``limit`` seconds.
    """

    limit = float("inf")
    #: how many turns the loop takes that is being written
    repeats = 1
    #: seconds that are known to come
    ahead = 0.0

    def add(self, step: Step) -> int:
        """Price a step; equal ones are rare here, so none is looked for."""
        self.steps.append(step)
        self.shapes.append(step.shape)
        self.charge(price(step, self))
        return len(self.shapes) - 1

    def look(self, value: Value, dims: Sequence[str], shape: Shape, copy: bool) -> int:
        """Price a view by how far its labels move: no maps are made."""
        sizes = tuple([self.sizes[label] for label in dims])
        there = paces(value, dims, self)
        self.steps.append(View((value.register,), shape, (), sizes, copy))
        self.shapes.append(shape)
        register = len(self.shapes) - 1
        if copy:
            self.charge(copy_cost(sizes, there, self))
        else:
            self.strides[register] = fused(shape, sizes, there)
            self.charge(Cost(self.machine.view))
        return register

    def charge(self, cost: Cost) -> None:
        """Add to the price; raises TooDearError beyond the limit."""
        self.cost = total = self.cost.plus(cost)
        if total.seconds + self.ahead > self.limit:
            raise TooDearError

    def expect(self, seconds: float) -> None:
        """Raises TooDearError as soon as they pass the limit together with the rest."""
        self.ahead = seconds * self.repeats
        if self.cost.seconds + self.ahead > self.limit:
            raise TooDearError

    def affords(self, seconds: float) -> bool:
        """Whether the limit leaves so much."""
        return self.cost.seconds + seconds <= self.limit

    def turns(self, items: Sequence[Any]) -> Iterator[Any]:
        before = self.cost
        self.repeats = len(items)
        yield items[0]
        self.repeats = 1
        once = Cost(
            self.cost.seconds - before.seconds,
            self.cost.flops - before.flops,
            self.cost.bytes - before.bytes,
        )
        shape = self.shapes[-1]
        nbytes = prod(shape) * self.itemsize
        added = Cost(self.machine.call + nbytes / self.machine.add, prod(shape), nbytes)
        self.charge(once.plus(added).times(len(items) - 1))

    def all_turns(self, parts: Sequence[int], count: int) -> Sequence[int]:
        return list(parts) * count


class Sketch(Estimator):
    """An estimator of whole plans: equal steps are written, and paid for, once."""

    def add(self, step: Step) -> int:
        return Builder.add(self, step)

    def look(self, value: Value, dims: Sequence[str], shape: Shape, copy: bool) -> int:
        return Builder.look(self, value, dims, shape, copy)
