"""A builder that only prices, and gives up where a candidate is too dear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from tnconv.execution.program import Step
from tnconv.planning.builder import Builder
from tnconv.planning.cost import Cost, price


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

    def charge(self, cost: Cost) -> None:
        """Add to the price; raises TooDearError beyond the limit."""
        self.cost += cost
        if self.cost.seconds + self.ahead > self.limit:
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
        self.charge((once + added) * (len(items) - 1))

    def all_turns(self, parts: Sequence[int], count: int) -> Sequence[int]:
        return list(parts) * count


class Sketch(Estimator):
    """An estimator of whole plans: equal steps are written, and paid for, once."""

    def add(self, step: Step) -> int:
        return Builder.add(self, step)
