"""Which registers share memory, when each is last used, and what a program holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tnconv.execution.landing import maker, needs
from tnconv.execution.program import (
    Add,
    AddInto,
    Conjugate,
    Loop,
    Program,
    Scale,
    Step,
    View,
    size_of,
)

#: the registers that stand for what a block of a loop holds, and for copies that a
#: library makes of what it reads
BLOCK, COPIES = -1, -2


class Beside(NamedTuple):
    """Bytes that a step allocates beside its result: copies of what it reads, and what
    the library needs within; and instead of a result, where it writes or adds what it
    makes to memory that a loop has already (None: it cannot)."""

    copies: int = 0
    within: int = 0
    written: int | None = None
    added: int | None = None

    def landed(self, kinds: set[bool]) -> int | None:
        """The most instead of a result, where it is written (False) or added (True)."""
        found = [self.added if added else self.written for added in kinds]
        known = [nbytes for nbytes in found if nbytes is not None]
        return max(known, default=0) if len(known) == len(found) else None


#: what the step at a place of a program allocates beside its result
Workspace = Callable[[Program, int], Beside]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Per step: registers to drop after it, and whether it may overwrite a source."""

    drops: tuple[tuple[int, ...], ...]
    overwrites: tuple[bool, ...]
    roots: tuple[int, ...]


def analyze(program: Program) -> Liveness:
    """Find shared memory and last uses; the inputs and the result are never dropped."""
    count = len(program.inputs)
    roots = list(range(count))
    for register, step in enumerate(program.steps, count):
        roots.append(roots[step.sources[0]] if _aliases(step) else register)
    last = _last_uses(program, roots)
    drops: list[list[int]] = [[] for _ in program.steps]
    own_last: dict[int, int] = {}
    for at, step in enumerate(program.steps):
        for register in step.sources:
            own_last[register] = at
    for register, at in own_last.items():
        if register >= count and roots[register] != roots[program.result]:
            drops[at].append(register)
    overwrites = tuple(
        _may_overwrite(program.steps, at, count, roots, last)
        for at in range(len(program.steps))
    )
    return Liveness(tuple(map(tuple, drops)), overwrites, tuple(roots))


def _aliases(step: Step) -> bool:
    return isinstance(step, Conjugate) or (isinstance(step, View) and not step.copy)


def _last_uses(program: Program, roots: list[int]) -> dict[int, int]:
    last: dict[int, int] = {}
    for at, step in enumerate(program.steps):
        for register in step.sources:
            last[roots[register]] = at
    last[roots[program.result]] = len(program.steps)
    return last


def _may_overwrite(
    steps: Sequence[Step], at: int, count: int, roots: list[int], last: dict[int, int]
) -> bool:
    """Whether the accumulator among the sources is this step's to destroy."""
    step = steps[at]
    if isinstance(step, (Add, Scale)):
        total, other = step.sources[0], step.sources[1:]
    elif isinstance(step, AddInto) and len(step.sources) == 2:
        total, other = step.sources[1], step.sources[:1]
    else:
        return False
    shared = any(roots[r] == total for r in other)
    return total >= count and roots[total] == total and last[total] == at and not shared


def peak_bytes(program: Program, itemsize: int, workspace: Workspace) -> int:
    """Predicted bytes beyond inputs and result, at the worst moment.

    ``workspace`` gives the bytes that the step at a place allocates beside its result;
    a loop holds what a block does, and the block's result until it is added.
    """
    return peaks(program, itemsize, workspace)[1]


def peaks(program: Program, itemsize: int, workspace: Workspace) -> tuple[int, int]:
    """The most that arrays hold, and that is held in all, workspace too."""
    arrays = peak = 0
    for held, beside in held_bytes(program, itemsize, workspace):
        total = sum(held.values())
        arrays, peak = max(arrays, total), max(peak, total + beside)
    return arrays, peak


def held_bytes(
    program: Program, itemsize: int, workspace: Workspace
) -> Iterator[tuple[Mapping[int, int], int]]:
    """What is held during each step: bytes by the register that allocated them, and
    those that the step allocates within."""
    count, shapes = len(program.inputs), program.shapes
    buffers = _buffers(program)
    keep = buffers[program.result]
    last: dict[int, int] = {}
    for at, step in enumerate(program.steps):
        for register in step.sources:
            last[buffers[register]] = at
        last[buffers[count + at]] = at
    held: dict[int, int] = {}
    for at, step in enumerate(program.steps):
        buffer = buffers[count + at]
        if buffer >= count and buffer != keep and buffer not in held:
            held[buffer] = size_of(shapes[count + at]) * itemsize
        if isinstance(step, Loop):
            arrays, peak = _block_bytes(step, itemsize, workspace)
            yield {**held, BLOCK: arrays}, peak - arrays
        else:
            beside = workspace(program, at)
            copies = {COPIES: beside.copies} if beside.copies else {}
            yield {**held, **copies}, beside.within
        for used in {*[buffers[r] for r in step.sources], buffer}:
            if last[used] == at:
                held.pop(used, None)


def _block_bytes(loop: Loop, itemsize: int, workspace: Workspace) -> tuple[int, int]:
    """What the largest block holds, its result too: arrays, and in all."""
    arrays = peak = 0
    for number, body in enumerate(loop.bodies):
        landed = landed_bytes(loop, number, workspace)
        result = size_of(body.shape) * itemsize if landed is None else landed
        inside = peaks(body, itemsize, workspace)
        arrays, peak = max(arrays, result + inside[0]), max(peak, result + inside[1])
    return arrays, peak


def landed_bytes(loop: Loop, number: int, workspace: Workspace) -> int | None:
    """What a body holds instead of a result, where it puts that into the loop's own;
    None where it hands a result over."""
    kinds, at = needs(loop, number), maker(loop.bodies[number])
    if kinds is None or at is None:
        return None
    return workspace(loop.bodies[number], at).landed(kinds)


def _buffers(program: Program) -> list[int]:
    """The register that first allocated each register's memory."""
    live, count = analyze(program), len(program.inputs)
    buffers = list(range(count))
    for at, step in enumerate(program.steps):
        if live.overwrites[at]:
            buffers.append(buffers[step.sources[1 if isinstance(step, AddInto) else 0]])
        elif _aliases(step):
            buffers.append(buffers[step.sources[0]])
        else:
            buffers.append(count + at)
    return buffers
