"""Operands of batched products that a library writes out before it multiplies.

Libraries know one batch axis. Several that move as one are one; others are copied to
be, and so is an operand that is repeated along one of them and not along the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from tnconv.execution.program import Matmul, Shape, size_of
from tnconv.execution.ways import THIN
from tnconv.planning.strides import Registers, strides_of


def written_out(step: Matmul, registers: Registers) -> Iterator[Shape]:
    """The shapes of the copies."""
    batch = step.shape[:-2]
    if len(batch) < 2:
        return
    for register in step.sources:
        shape = registers.shapes[register]
        if not _is_one(batch, shape, strides_of(register, registers)):
            yield (*batch, *shape[-2:])


def copied_elements(step: Matmul, registers: Registers) -> int:
    """Elements of all copies."""
    return sum(map(size_of, written_out(step, registers)))


def thin_elements(step: Matmul, registers: Registers) -> int:
    """Elements of the thin operand of two matrices that PyTorch is given a copy of,
    where its inner axis is not in order of memory."""
    left, right = (registers.shapes[r] for r in step.sources)
    rows, columns = step.shape[-2:]
    if len(left) > 2 or len(right) > 2:
        return 0
    if 1 < columns < THIN and columns <= rows:
        return size_of(right) * (strides_of(step.sources[1], registers)[0] != 1)
    if 1 < rows < THIN:
        return size_of(left) * (strides_of(step.sources[0], registers)[1] != 1)
    return 0


def _is_one(batch: Shape, shape: Shape, strides: list[int]) -> bool:
    """Whether an operand's batch axes move as one."""
    pace = None
    for size, own, stride in reversed(
        list(zip(batch, shape[:-2], strides[:-2], strict=True))
    ):
        if size == 1:
            continue
        move = stride if own == size else 0
        if pace is not None and move != pace:
            return False
        pace = move * size
    return True
