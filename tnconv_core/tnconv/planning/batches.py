"""Operands of batched products that a library writes out before it multiplies.

Libraries know one batch axis. Several that move as one are one; others are copied to
be, and so is an operand that is repeated along one of them and not along the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from tnconv.execution.program import Matmul, Shape, size_of
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
