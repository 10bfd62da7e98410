"""What a multiply-and-sum costs, by the way it is run: seconds, and memory beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from tnconv.execution.program import MultiplySum, Shape, size_of
from tnconv.execution.ways import BLOCK, Matrices, Product, matrices_of, product_of
from tnconv.planning.machine import Machine
from tnconv.planning.products import SMALL, product_seconds
from tnconv.planning.rates import Cost, copy_cost, fresh, memory_seconds
from tnconv.planning.strides import (
    Registers,
    are_matrices,
    is_apart,
    row_major,
    strides_of,
)

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder


def multiply_sum_cost(step: MultiplySum, builder: Builder) -> Cost:
    """The cost of the step, by the way that the library takes."""
    m = builder.machine
    shapes = [builder.shapes[r] for r in step.sources]
    job = product_of(step, shapes)
    made = size_of(step.shape) * builder.itemsize
    moved = sum(map(size_of, shapes)) * builder.itemsize + made
    groups = matrices_of(step, shapes) if m.matrices else None
    if groups is None:
        apart = bool(m.multiply_run) and is_apart(step, builder)
        seconds = multiply_seconds(job, m, builder.itemsize, apart)
    else:
        sizes = [job.size(group) for group in groups]
        seconds = max(matrices_seconds(sizes, m), memory_seconds(moved, m))
        for dims, there in gathered(step, groups, builder):
            seconds += copy_cost(dims, there, builder).seconds
        if m.turned and prod(sizes[1:]) > SMALL and 1 not in (sizes[1], sizes[3]):
            turned = turned_elements(step, groups, builder)
            seconds += turned * builder.itemsize / m.turned
    return Cost(m.call + seconds + fresh(made, m), job.elements, moved)


def gathered(
    step: MultiplySum, groups: Matrices, registers: Registers
) -> Iterator[tuple[Shape, list[int]]]:
    """Copies beside a batch of matrix products: of operands that are no matrices as
    they lie, and of the result; dimensions, and how far each moves in the source."""
    batch, rows, inner, columns = groups
    sides = (step.left, (batch, rows, inner)), (step.right, (batch, inner, columns))
    for register, (own, wanted) in zip(step.sources, sides, strict=True):
        size = dict(zip(own, registers.shapes[register], strict=True))
        move = dict(zip(own, strides_of(register, registers), strict=True))
        if not are_matrices(wanted, size, move):
            order = [d for group in wanted for d in group]
            yield tuple([size[d] for d in order]), [move[d] for d in order]
    place = [*batch, *rows, *columns]
    if tuple(place) != step.out:
        move = dict(zip(place, row_major(_sorted(step, place)), strict=True))
        yield step.shape, [move[d] for d in step.out]


def turned_elements(step: MultiplySum, groups: Matrices, registers: Registers) -> int:
    """Elements of operands whose columns, not rows, lie in order of memory."""
    count, last = 0, (groups.inner, groups.columns)
    sides = zip(step.sources, (step.left, step.right), last, strict=True)
    for register, own, group in sides:
        dims, strides = registers.shapes[register], strides_of(register, registers)
        wide = [own.index(d) for d in group if dims[own.index(d)] > 1]
        if wide and strides[wide[-1]] != 1:
            count += size_of(dims)
    return count


def _sorted(step: MultiplySum, place: Sequence[int]) -> Shape:
    return tuple([step.shape[step.out.index(d)] for d in place])


def multiply_seconds(
    job: Product, machine: Machine, itemsize: int, apart: bool
) -> float:
    """Seconds of the arithmetic, and of what is stored before it is summed.

    ``apart``: the innermost dimension does not lie in order of memory.
    """
    if machine.dot and job.dots:
        items = job.elements // job.sizes[max(job.sizes)]
        return machine.call + items * machine.dot_item + job.elements / machine.dot
    if machine.turn and job.turns:
        # each turn of each block is two calls, shorter than a step's
        calls = job.size(job.summed) * (1 + job.size(job.kept) // BLOCK)
        run = job.sizes[max(job.sizes)]
        rate = machine.turn * run / (run + machine.turn_half)
        return calls * machine.call / 2 + job.elements / rate
    seconds = job.elements / machine.multiply
    if machine.name == "numpy":
        runs = job.elements / job.sizes[max(job.sizes)] if apart else 0.0
        return seconds + runs * machine.multiply_run
    nbytes = job.elements * itemsize  # the product is stored before it is summed
    stored = nbytes / machine.fresh if nbytes >= machine.fresh_from else 0.0
    return seconds + stored + 3 * machine.call


def matrices_seconds(sizes: Sequence[int], machine: Machine) -> float:
    """Seconds of a multiply-and-sum as matrix products: batch, rows, inner, columns."""
    batch, rows, inner, columns = sizes
    each = product_seconds(rows, inner, columns, machine)
    return batch * (each + machine.gemm_item)


def multiply_elements(
    step: MultiplySum, shapes: Sequence[Shape], machine: Machine, registers: Registers
) -> int:
    """Elements allocated beside the result."""
    job = product_of(step, shapes)
    if machine.dot and job.dots:
        return job.elements // job.sizes[max(job.sizes)]
    if machine.turn and job.turns:
        return BLOCK
    groups = matrices_of(step, shapes) if machine.matrices else None
    if groups is not None:
        return sum([size_of(dims) for dims, _ in gathered(step, groups, registers)])
    return 0 if machine.name == "numpy" else job.elements
