"""What glibc's allocator is shown before a program runs.

It returns memory to the system whenever more lies idle than twice the largest block
freed so far, and every call faults its pages in again (NumPy, a weight gradient of 96
channels on 35 x 35 maps with a 3 x 3 kernel: 23 ms against 12.5). One block of the size
of all that is held, never touched, teaches it to keep that.
"""

from __future__ import annotations

from tnconv.execution.liveness import Beside, Workspace, peak_bytes
from tnconv.execution.program import Loop, Program, size_of

#: the largest block that glibc learns from when it is freed
LEARNED = (32 << 20) - (1 << 16)


def shown_bytes(program: Program, itemsize: int, workspace: Workspace) -> int:
    """The size of the block to allocate and to free."""
    return min(_held_bytes(program, itemsize, workspace), LEARNED)


def nothing(program: Program, at: int) -> Beside:
    """Of a library that allocates nothing beside its results."""
    return Beside()


def _held_bytes(program: Program, itemsize: int, workspace: Workspace) -> int:
    """Bytes that a program allocates at a time, its result included."""
    bodies = [b for s in program.steps if isinstance(s, Loop) for b in s.bodies]
    inside = [_held_bytes(body, itemsize, workspace) for body in bodies]
    own = peak_bytes(program, itemsize, workspace)
    return own + size_of(program.shape) * itemsize + max(inside, default=0)
