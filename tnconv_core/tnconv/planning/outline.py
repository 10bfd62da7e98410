"""A site on bitmasks: what a form needs to say what it costs at least.

The search asks every form for a ``floor`` before any step is written, and tries the
candidate only when nothing cheaper is left. A floor may be low, but never above what
:func:`tnconv.planning.cost.price` says of the steps: then the search would miss plans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tnconv.execution.ways import BLOCK, FEW, SHORT
from tnconv.network import Pattern, Reindex
from tnconv.planning.machine import Machine
from tnconv.planning.products import small_factor
from tnconv.planning.rates import memory_seconds

#: the floor where a form cannot apply
NEVER = float("inf")


class Outline(NamedTuple):
    """The labels of a site as sets of bits, and their sizes.

    ``right`` is 0 where there is one value; ``inputs``, ``outputs`` and ``kernels`` are
    the legs of the constraints; ``size`` multiplies the sizes of a set, ``longest`` is
    the largest of them.
    """

    machine: Machine
    itemsize: int
    size: Callable[[int], int]
    longest: Callable[[int], int]
    left: int
    right: int
    alive: int
    inputs: int = 0
    outputs: int = 0
    kernels: int = 0
    constraints: tuple[Pattern | Reindex, ...] = ()

    @property
    def legs(self) -> int:
        """All legs of the constraints."""
        return self.inputs | self.outputs | self.kernels


def nothing(outline: Outline) -> float:
    """The floor of a form that gives none: it is tried wherever it may apply."""
    return 0.0


def matrix_work(m: Machine, rows: int, inner: int, columns: int) -> float:
    """Seconds of the arithmetic of a matrix product at least, whichever operand is the
    first; a label that is looped over makes small products, or vectors, of it."""
    a, b, r, c, i = m.gemm_rows, m.gemm_columns, rows or 1, columns or 1, inner or 1
    slow, other = (1 + a / r) * (1 + b / c), (1 + b / r) * (1 + a / c)
    slow = (slow if slow < other else other) * ((1 + m.gemm_inner / i) * 2 / m.gemm)
    if m.gemm_small:
        other = small_factor(r, i, c) * 2 / m.gemm_small
        slow = slow if slow < other else other
    if m.gemv and 1 / m.gemv < slow:
        slow = 1 / m.gemv
    return rows * inner * columns * slow


def matrix_seconds(
    m: Machine, nbytes: int, batch: int, rows: int, inner: int, columns: int
) -> float:
    """Seconds that a batched matrix product takes at least, moving ``nbytes``."""
    work, least = (
        batch * matrix_work(m, rows, inner, columns),
        memory_seconds(nbytes, m),
    )
    return m.call + batch * m.gemm_item + (work if work > least else least)


def matrix_floor(o: Outline) -> float:
    """The matrix product of two values, at the best of its variants."""
    return matrices(o, o.left, o.right, o.alive)


def matrices(o: Outline, left: int, right: int, alive: int) -> float:
    """The matrix product of values over these labels."""
    size, both = o.size, left & right
    batch, inner = size(both & alive), size(both & ~alive)
    rows, columns = size(left & ~both & alive), size(right & ~both & alive)
    area = rows * inner + inner * columns + rows * columns
    nbytes = batch * area * o.itemsize
    return matrix_seconds(o.machine, nbytes, batch, rows, inner, columns)


def multiply_seconds(
    m: Machine, kept: int, summed: int, longest: tuple[int, int] = (1 << 62, 1 << 62)
) -> float:
    """Seconds that elementwise products take at least, by whichever way is fastest.

    ``kept`` and ``summed`` are positions of the result and products in each of them;
    ``longest``: the longest inner loop over what is kept, and over what is summed.
    """
    count, (run, dot) = kept * max(1, summed), longest
    least = count / m.multiply
    if m.dot and summed and dot >= SHORT:
        least = min(least, m.call + count / dot * m.dot_item + count / m.dot)
    if m.turn and summed and kept >= FEW:
        calls = summed * (1 + kept // BLOCK) * m.call / 2
        least = min(least, calls + count * (1 + m.turn_half / run) / m.turn)
    return m.call + least


def multiply_floor(o: Outline) -> float:
    """The elementwise product of two values, or what it is as matrices."""
    return elements(o, o.left, o.right, o.alive)


def elements(
    o: Outline,
    left: int,
    right: int,
    alive: int,
    longest: tuple[int, int] | None = None,
) -> float:
    """The elementwise product of values over these labels, by the longest inner loops
    that are given, or that these labels have."""
    kept, summed = (left | right) & alive, left & right & ~alive
    if o.machine.matrices and summed and (left ^ right) & alive:
        return matrices(o, left, right, alive)
    if longest is None:
        longest = o.longest(kept), o.longest(summed)
    count = o.size(summed) if summed else 0
    return multiply_seconds(o.machine, o.size(kept), count, longest)


def products(o: Outline, left: int, right: int, alive: int) -> float:
    """The lower of a matrix product and an elementwise one over these labels."""
    first, second = matrices(o, left, right, alive), elements(o, left, right, alive)
    return first if first < second else second


def constant_floor(o: Outline) -> float:
    """A product with the constraint as an array."""
    return products(o, o.left, o.legs & (o.left | o.alive), o.alive)


def window_floor(o: Outline) -> float:
    """The sum over the legs that die, if any: the view itself moves nothing."""
    if not o.inputs & o.left & ~o.alive or not o.kernels:
        return NEVER
    carried = (o.left | o.legs) & ~o.inputs
    if not carried & ~o.alive:
        return 0.0
    m = o.machine
    return m.call + o.size(carried) / max(m.sum, m.strided_sum, m.gemv)


def gather_floor(o: Outline) -> float:
    """Calls only: how much is read, the index map says. Not for patterns."""
    return NEVER if o.kernels else o.machine.call


def is_read(o: Outline) -> bool:
    """Whether one of the two values has the input legs, so that they are not made."""
    return bool(o.inputs & (o.left | o.right))


def channels_of(o: Outline) -> tuple[int, int, int, int]:
    """Groups, summed channels, and those of the left and of the right value alone."""
    legs, both = o.legs, o.left & o.right & ~o.legs
    return (
        o.size(both & o.alive),
        o.size(both & ~o.alive),
        o.size(o.left & ~both & o.alive & ~legs),
        o.size(o.right & ~both & o.alive & ~legs),
    )


def taps_floor(o: Outline) -> float:
    """For every kernel position a product with the input at the output's positions, a
    view of what is sliced, and what adds up the turns."""
    m, turns, more = o.machine, o.size(o.kernels), o.size(o.outputs)
    legs, summed = o.legs, o.kernels & o.alive
    alive = o.alive & ~legs | (0 if summed else o.outputs)
    left, right = (at_outputs(o, side) for side in (o.left, o.right))
    once = products(o, left, right, alive)
    if turns > 1:
        once += m.view
    made = o.size((o.left | o.right) & o.alive & ~legs) * o.itemsize
    if not summed:
        made *= more
    return turns * once + (turns - 1) * (m.call + made / m.add)


def at_outputs(o: Outline, side: int) -> int:
    """The labels of a value at one kernel position: its input legs are output legs."""
    return side & ~o.legs | (o.outputs if side & (o.inputs | o.outputs) else 0)
