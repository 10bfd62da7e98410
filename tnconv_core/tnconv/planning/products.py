"""Seconds of matrix products: in full, and as one triangle of a symmetric result."""

from __future__ import annotations

from tnconv.execution.ways import row_blocks
from tnconv.planning.machine import Machine


def product_seconds(rows: int, inner: int, columns: int, machine: Machine) -> float:
    """Seconds of the arithmetic of one matrix product, less efficient where thin."""
    if not rows * inner * columns:
        return 0.0
    rate = machine.gemm * rows / (rows + machine.gemm_rows)
    rate *= columns / (columns + machine.gemm_columns)
    return 2 * rows * inner * columns / (rate * inner / (inner + machine.gemm_inner))


def triangle_seconds(
    batch: int, rows: int, inner: int, machine: Machine
) -> tuple[float, int]:
    """Seconds and multiply-adds of matrices times their own transposes.

    As row blocks, each times the columns from its diagonal on, and mirrored; in full
    where the machine makes no triangles.
    """
    blocks = row_blocks(rows) if machine.mirror else [(0, rows)]
    sizes = [(stop - start, rows - start) for start, stop in blocks]
    work = sum(product_seconds(high, inner, wide, machine) for high, wide in sizes)
    flops = batch * sum(high * inner * wide for high, wide in sizes)
    calls = machine.call + len(blocks) * machine.mirror_call
    mirrored = rows * rows / machine.mirror if machine.mirror else 0.0
    return batch * (work + mirrored + machine.gemm_item) + calls, flops
