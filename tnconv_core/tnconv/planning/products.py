"""Seconds of matrix products: in full, and as one triangle of a symmetric result."""

from __future__ import annotations

from tnconv.execution.ways import row_blocks
from tnconv.planning.machine import Machine

#: multiply-adds up to which OpenBLAS does not pack, lengths of half efficiency then,
#: and of sums over a second operand that lies turned
SMALL, HALF, TURNED = 10**6, 3.0, 40.0


def product_seconds(
    rows: int, inner: int, columns: int, machine: Machine, turned: bool = False
) -> float:
    """Seconds of the arithmetic of one matrix product, less efficient where thin.

    ``turned``: the second operand lies column after column.
    """
    count = rows * inner * columns
    if not count:
        return 0.0
    if machine.gemv and 1 in (rows, columns):
        return count / machine.gemv
    if machine.gemm_small and count <= SMALL:
        slow = small_factor(rows, inner, columns, TURNED if turned else HALF)
        return 2 * count * slow / machine.gemm_small
    rate = machine.gemm * rows / (rows + machine.gemm_rows)
    rate *= columns / (columns + machine.gemm_columns)
    return 2 * count / (rate * inner / (inner + machine.gemm_inner))


def small_factor(rows: int, inner: int, columns: int, half: float = HALF) -> float:
    """How much longer than at the peak rate a product without packing takes."""
    slow = (1 + HALF / max(1, rows)) * (1 + HALF / max(1, columns))
    return slow * (1 + half / max(1, inner))


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
