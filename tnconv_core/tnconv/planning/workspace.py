"""What steps allocate beside their results, as far as the libraries are known."""

from __future__ import annotations

from collections.abc import Sequence

from tnconv.execution.landing import is_plain
from tnconv.execution.liveness import Beside, Workspace
from tnconv.execution.program import (
    AddInto,
    Gram,
    Matmul,
    MultiplySum,
    Native,
    Program,
    Shape,
    Spectral,
    Stack,
    Step,
    size_of,
)
from tnconv.execution.ways import row_blocks
from tnconv.planning.batches import copied_elements, thin_elements
from tnconv.planning.elementwise import multiply_elements
from tnconv.planning.machine import Machine
from tnconv.planning.series import spectra_bytes
from tnconv.planning.strides import Layout


def workspace(machine: Machine, itemsize: int) -> Workspace:
    """What the step at a place of a program allocates beside its result, in bytes."""

    def of(program: Program, at: int) -> Beside:
        step = program.steps[at]
        sources, copies = _sources(step, program), 0
        if machine.stored and isinstance(step, Matmul) and len(step.shape) > 3:
            copies = copied_elements(step, Layout(program))
        if machine.mirror_call and isinstance(step, Matmul):
            copies += thin_elements(step, Layout(program))
        if isinstance(step, MultiplySum):
            within = multiply_elements(step, sources, machine, Layout(program))
        else:
            within = _within(step, sources, machine)
        written, added = _landed(step, machine, itemsize)
        return Beside(copies * itemsize, within * itemsize, written, added)

    return of


def _landed(
    step: Step, machine: Machine, itemsize: int
) -> tuple[int | None, int | None]:
    """Bytes instead of a result, of steps that write or add theirs where a loop has it:
    what libraries multiply is written, and triangles in blocks of rows are added."""
    if not machine.strided:
        return None, None
    if isinstance(step, Stack):
        return 0, 0
    if isinstance(step, Gram):
        return 0, _rows(step) * itemsize if machine.mirror_call else None
    return (0 if isinstance(step, Matmul) and is_plain(step) else None), None


def _rows(step: Gram) -> int:
    """Elements of the largest block of rows of a triangle."""
    high = max([stop - start for start, stop in row_blocks(step.shape[-1])], default=0)
    return size_of(step.shape[:-1]) * high


def _sources(step: Step, program: Program) -> list[Shape]:
    """The shapes that a step reads."""
    count = len(program.inputs)
    return [
        program.inputs[r][1] if r < count else program.steps[r - count].shape
        for r in step.sources
    ]


def _within(step: Step, sources: Sequence[Shape], machine: Machine) -> int:
    """Elements, of the steps that are known by their shapes."""
    if isinstance(step, Spectral):
        return 2 * sum(spectra_bytes(step, sources, 1))
    if isinstance(step, Native):
        # arrays are packed; threads add up results of their own
        copies = 2 if step.convolution.role == "weight" else 1
        return sum(map(size_of, sources)) + copies * size_of(step.shape)
    if isinstance(step, (Matmul, Gram)):
        blocks = _blocks(step, machine) if isinstance(step, Gram) else 0
        # the smallest of operands and result is scaled; a result is in place
        least = min(map(size_of, sources))
        scaled = step.scale != 1 and size_of(step.shape) >= least
        return blocks + least * scaled
    if isinstance(step, AddInto) and not machine.strided:
        return 2 * size_of(step.shape)
    return 0


def _blocks(step: Gram, machine: Machine) -> int:
    """Elements of the largest block of rows of a triangle, which is made apart where
    there is a batch; and of what is mirrored of it."""
    if not machine.mirror_call:
        return 0
    blocks, rows = row_blocks(step.shape[-1]), step.shape[-1]
    high = max([stop - start for start, stop in blocks], default=0)
    apart = rows if len(step.shape) > 2 and len(blocks) > 1 else 0
    return size_of(step.shape[:-2]) * high * max(high, apart)
