"""A program as straight-line Python: one line for each step, nothing looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

Array = Any
Kernel = Callable[..., Array]
#: what a step reads, and the registers nobody reads after it
Line = tuple[tuple[int, ...], tuple[int, ...]]


def straight_line(
    count: int,
    lines: Sequence[tuple[Kernel, tuple[int, ...], tuple[int, ...]]],
    result: int,
) -> Callable[[Sequence[Array]], Array]:
    """A function of ``count`` arrays that calls one kernel after the other.

    Each line is (kernel, registers it reads, registers to drop after it); its result is
    the next register. The registers are local variables, so that a step costs the call
    of its kernel alone, and a dropped register frees its memory at once.

    >>> run = straight_line(2, [(max, (0, 1), ()), (abs, (2,), (2,))], 3)
    >>> run([-5, -3])
    3
    """
    kernels = tuple(kernel for kernel, _, _ in lines)
    code = _code(count, tuple((reads, drops) for _, reads, drops in lines), result)
    scope: dict[str, Any] = {f"k{j}": kernel for j, kernel in enumerate(kernels)}
    exec(code, scope)
    run: Callable[[Sequence[Array]], Array] = scope["run"]
    return run


@lru_cache(maxsize=1024)
def _code(count: int, lines: tuple[Line, ...], result: int) -> CodeType:
    """The compiled text; programs of one structure, as blocks are, share it."""
    text = ["def run(arrays):"]
    if count:
        text.append(f"    {', '.join(f'r{j}' for j in range(count))}, = arrays")
    for at, (reads, drops) in enumerate(lines):
        call = f"k{at}({', '.join(f'r{j}' for j in reads)})"
        if count + at == result and at == len(lines) - 1:
            text.append(f"    return {call}")
            break
        text.append(f"    r{count + at} = {call}")
        if drops:
            text.append(f"    del {', '.join(f'r{j}' for j in drops)}")
    else:
        text.append(f"    return r{result}")
    return compile("\n".join(text), "<program of tnconv>", "exec")
