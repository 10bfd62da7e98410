"""What a multiply-and-sum costs, by the way it is run: seconds, and memory beside."""

from __future__ import annotations

from tnconv.execution.ways import BLOCK, Product
from tnconv.planning.machine import Machine
from tnconv.planning.products import product_seconds


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
    if machine.matrices and job.matrix:
        batch, rows, inner, columns = job.matrix
        each = product_seconds(rows, inner, columns, machine) + machine.gemm_item
        return batch * each + 3 * machine.call
    seconds = job.elements / machine.multiply
    if machine.name == "numpy":
        runs = job.elements / job.sizes[max(job.sizes)] if apart else 0.0
        return seconds + runs * machine.multiply_run
    nbytes = job.elements * itemsize  # the product is stored before it is summed
    stored = nbytes / machine.fresh if nbytes >= machine.fresh_from else 0.0
    return seconds + stored + 3 * machine.call


def multiply_elements(job: Product, machine: Machine) -> int:
    """Elements allocated beside the result."""
    if machine.dot and job.dots:
        return job.elements // job.sizes[max(job.sizes)]
    if machine.turn and job.turns:
        return BLOCK
    return 0 if machine.name == "numpy" else job.elements
