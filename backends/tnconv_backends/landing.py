"""Bodies of a loop that put their result into memory they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tnconv.execution.landing import maker, needs
from tnconv.execution.liveness import analyze
from tnconv.execution.program import Loop, Program
from tnconv_backends.runner import straight_line

if TYPE_CHECKING:
    from tnconv_backends.kernels import Kernels

Array = Any
Run = Callable[[Sequence[Array]], Array]


def landing_bodies(kernels: Kernels, step: Loop) -> dict[tuple[int, bool], Run]:
    """Bodies that take the part of the result they write, or add to, as their last
    array; by their number and whether they add."""
    found: dict[tuple[int, bool], Run] = {}
    for number, body in enumerate(step.bodies):
        kinds = needs(step, number) or set()
        bound = {(number, added): bind_landing(kernels, body, added) for added in kinds}
        known = {key: run for key, run in bound.items() if run is not None}
        if len(known) == len(bound):
            found.update(known)
    return found


def bind_landing(kernels: Kernels, program: Program, added: bool) -> Run | None:
    """A closure that takes one array more, in one piece, and writes the result of a
    program there, or adds it; None where the step that makes it cannot."""
    program = kernels.prepared(program)
    at, count = maker(program), len(program.inputs)
    if at is None:
        return None
    step = program.steps[at]
    shapes = [program.shapes[r] for r in step.sources]
    kernel = kernels.landing(step, shapes, added)
    if kernel is None:
        return None
    # the array that is given stands behind the inputs, everything else moves on
    moved = [r + (r >= count) for r in range(count + at)]
    lines = [
        (k, tuple([moved[r] for r in reads]), tuple([moved[r] for r in drops]))
        for k, reads, drops in kernels.lines(program, analyze(program), at)
    ]
    lines.append((kernel, (count, *[moved[r] for r in step.sources]), ()))
    return straight_line(count + 1, lines, count + 1 + at)
