"""What prices are made of: copies by run, fresh memory, matrix products by shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tnconv.execution.program import Shape, size_of
from tnconv.planning.strides import Run, inner_run, row_major

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder
    from tnconv.planning.machine import Machine


#: bytes that a core's own cache keeps from one step, or call, to the next
CACHED = 1 << 20


class Cost(NamedTuple):
    """Seconds predicted, multiply-adds, and bytes read and written."""

    seconds: float = 0.0
    flops: int = 0
    bytes: int = 0

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        seconds, flops, nbytes = other
        return Cost(self.seconds + seconds, self.flops + flops, self.bytes + nbytes)

    def times(self, count: int) -> Cost:
        """The same so many times."""
        return Cost(self.seconds * count, self.flops * count, self.bytes * count)


def fresh(nbytes: int, machine: Machine) -> float:
    """Seconds to obtain memory for a result: large blocks fault their pages in."""
    return nbytes / machine.fresh if nbytes >= machine.fresh_from else 0.0


def memory_seconds(nbytes: int, machine: Machine) -> float:
    """Seconds that products and sums take to go through so many bytes at least, beyond
    what a cache keeps."""
    return (nbytes - CACHED) / machine.read if nbytes > CACHED else 0.0


def walk(nbytes: int, run: Run, rate: float, builder: Builder) -> float:
    """Seconds to go through memory in inner loops of ``run`` at ``rate`` bytes per
    second: starting a loop takes its time, as does one over such loops, and a walk with
    gaps is slower."""
    m, count = builder.machine, nbytes / builder.itemsize
    started = count / run.length * m.run + count / run.plane * m.nest
    return nbytes / (rate if run.dense else rate * m.gaps) + started


def copy_seconds(nbytes: int, run: Run, builder: Builder) -> float:
    """Seconds to copy with inner loops of ``run`` into fresh memory."""
    m = builder.machine
    return walk(nbytes, run, m.copy, builder) + fresh(nbytes, m)


def copy_cost(dims: Shape, there: Sequence[int], builder: Builder) -> Cost:
    """A view that is copied: ``there``, how far each dimension moves in the source."""
    m, nbytes = builder.machine, size_of(dims) * builder.itemsize
    run = inner_run(dims, there, row_major(dims))
    return Cost(m.view + m.call + copy_seconds(nbytes, run, builder), 0, 2 * nbytes)
