"""What prices are made of: copies by run, fresh memory, matrix products by shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnconv.execution.program import AxisMap, Shape

#: elements of an inner loop, and whether they are neighbors in memory
Run = tuple[int, bool]

if TYPE_CHECKING:
    from tnconv.planning.machine import Machine


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds predicted, multiply-adds, and bytes read and written."""

    seconds: float = 0.0
    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds,
            self.flops + other.flops,
            self.bytes + other.bytes,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(self.seconds * times, self.flops * times, self.bytes * times)


def fresh(nbytes: int, machine: Machine) -> float:
    """Seconds to obtain memory for a result: large blocks fault their pages in."""
    return nbytes / machine.fresh if nbytes >= machine.fresh_from else 0.0


def pace(rate: float, run: Run, machine: Machine) -> float:
    """Bytes per second where the inner loop is short, or walks with gaps."""
    length, dense = run
    full = rate * length / (length + machine.run_half)
    return full if dense else full * machine.gaps


def copy_seconds(nbytes: int, run: Run, machine: Machine) -> float:
    """Seconds to copy with inner loops of ``run`` into fresh memory."""
    return nbytes / pace(machine.copy, run, machine) + fresh(nbytes, machine)


def inner_run(dims: Shape, maps: tuple[AxisMap, ...], shape: Shape) -> Run:
    """How many elements one inner loop takes, and whether they lie side by side.

    ``dims`` are contiguous on one side; ``maps`` say where they lie in ``shape``.
    """
    strides, size_so_far = [0] * len(dims), 1
    for size, axis in zip(reversed(shape), reversed(maps), strict=True):
        for d, by in enumerate(axis.steps):
            strides[d] += by * size_so_far
        size_so_far *= size
    length, first = 1, 1
    for size, stride in zip(reversed(dims), reversed(strides), strict=True):
        if size == 1:
            continue
        if length == 1:
            first = stride
        elif stride != first * length:
            break
        length *= size
    return max(1, length), first == 1
