"""Times of calls that do the same work, taken in turn."""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

from tnconv.execution.backend import Measurable

#: seconds that one look at the clock covers at least; quick calls are repeated
QUICK = 5e-4
#: rounds at most
MOST = 30


@dataclass(frozen=True, slots=True)
class Timed:
    """A compiled plan on its arrays; ``repeats`` calls are timed at once."""

    backend: Measurable
    run: Callable[[Sequence[Any]], Any]
    arrays: Sequence[Any]
    repeats: int = 1

    def result(self) -> Any:
        """What it computes, once that is there."""
        found = self.run(self.arrays)
        self.backend.wait(found)
        return found

    def clocked(self) -> float:
        """Seconds of a call."""
        start = time.perf_counter()
        for _ in range(self.repeats):
            self.backend.wait(self.run(self.arrays))
        return (time.perf_counter() - start) / self.repeats

    def repeated(self) -> Timed:
        """The same, with as many repeats as a reading of the clock is worth."""
        once = self.clocked()
        repeats = max(1, min(1000, ceil(QUICK / max(once, 1e-7))))
        return Timed(self.backend, self.run, self.arrays, repeats)


def in_turn(
    calls: Sequence[Timed], seconds: float, least: int, draw: random.Random
) -> list[list[float]]:
    """Times of all calls, in a new order every round: who comes next finds the caches
    as the one before left them. At least ``least`` rounds, then until ``seconds`` are
    over, or ``MOST`` rounds."""
    times: list[list[float]] = [[] for _ in calls]
    order, end = list(range(len(calls))), time.perf_counter() + seconds
    for played in range(MOST):
        if played >= least and time.perf_counter() > end:
            break
        draw.shuffle(order)
        for at in order:
            times[at].append(calls[at].clocked())
    return times


def usual(times: Sequence[float]) -> float:
    """The tenth percentile, which other work on the machine disturbs least; of less
    than ten times the shortest.

    >>> usual([3.0, 1.0, 2.0, 9.0])
    1.0
    """
    return sorted(times)[len(times) // 10]


def trim_heap() -> None:
    """Give the heap's free memory back to the system, where the C library does that.

    How a plan's arrays fit what earlier calls left there is luck, and with large arrays
    it may double a time: pages are faulted in by every call, or by none.
    """
    trim = _trimmer()
    if trim is not None:
        trim(0)


@cache
def _trimmer() -> Callable[[int], int] | None:
    """The function of glibc; other libraries have none."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector does not run meanwhile."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
