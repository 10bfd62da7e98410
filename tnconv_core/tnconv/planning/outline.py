"""A site on bitmasks: what a form needs to say what it costs at least.

The search asks every form for a ``floor`` before any step is written, and tries the
candidate only when nothing cheaper is left. A floor may be low, but never above what
:func:`tnconv.planning.cost.price` says of the steps: then the search would miss plans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tnconv.planning.machine import Machine
from tnconv.planning.products import small_factor

#: the floor where a form cannot apply
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Outline:
    """The labels of a site as sets of bits, and their sizes.

    ``right`` is 0 where there is one value; ``inputs``, ``outputs`` and ``kernels`` are
    the legs of the constraints; ``size`` multiplies the sizes of a set.
    """

    machine: Machine
    itemsize: int
    size: Callable[[int], int]
    left: int
    right: int
    alive: int
    inputs: int = 0
    outputs: int = 0
    kernels: int = 0

    @property
    def legs(self) -> int:
        """All legs of the constraints."""
        return self.inputs | self.outputs | self.kernels


def nothing(outline: Outline) -> float:
    """The floor of a form that gives none: it is tried wherever it may apply."""
    return 0.0


def matrix_seconds(
    m: Machine, nbytes: int, batch: int, rows: int, inner: int, columns: int
) -> float:
    """Seconds that a batched matrix product takes at least, moving ``nbytes``."""
    side = min(m.gemm_rows, m.gemm_columns)  # either operand may be the first
    slow = (1 + side / max(1, rows)) * (1 + side / max(1, columns))
    slow *= (1 + m.gemm_inner / max(1, inner)) * 2 / m.gemm
    if m.gemm_small:  # a label that is looped over makes small products of large ones
        slow = min(slow, small_factor(rows, inner, columns) * 2 / m.gemm_small)
    if m.gemv:
        slow = min(slow, 1 / m.gemv)
    work = batch * rows * inner * columns * slow
    return m.call + batch * m.gemm_item + max(work, nbytes / m.copy)


def matrix_floor(o: Outline) -> float:
    """The matrix product of two values, at the best of its variants."""
    size, both = o.size, o.left & o.right
    batch, inner = size(both & o.alive), size(both & ~o.alive)
    rows, columns = (size(a & ~both & o.alive) for a in (o.left, o.right))
    area = rows * inner + inner * columns + rows * columns
    nbytes = batch * area * o.itemsize
    return matrix_seconds(o.machine, nbytes, batch, rows, inner, columns)


def multiply_seconds(m: Machine, count: int) -> float:
    """Seconds that ``count`` products take at least, by whichever way is fastest."""
    return m.call + count / max(m.multiply, m.dot, m.turn)


def multiply_floor(o: Outline) -> float:
    """The elementwise product of two values."""
    m, both = o.machine, o.left & o.right
    used = both | ((o.left | o.right) & o.alive)
    if used & ~o.alive:
        return multiply_seconds(m, o.size(used))
    return m.call + o.size(used) / m.multiply  # no sum, no faster way


def product_floor(o: Outline) -> float:
    """The lower of a matrix product and an elementwise one."""
    return min(matrix_floor(o), multiply_floor(o))


def constant_floor(o: Outline) -> float:
    """A product with the constraint as an array."""
    return product_floor(replace(o, right=o.legs & (o.left | o.alive)))


def window_floor(o: Outline) -> float:
    """The sum over the legs that die, if any: the view itself moves nothing."""
    if not o.inputs & o.left & ~o.alive or not o.kernels:
        return NEVER
    carried = (o.left | o.legs) & ~o.inputs
    if not carried & ~o.alive:
        return 0.0
    m = o.machine
    return m.call + o.size(carried) / max(m.sum, m.strided_sum, m.gemv)


def fold_floor(o: Outline) -> float:
    """Every element is read, and added or assigned."""
    m = o.machine
    if not o.inputs & o.alive & ~o.left or not o.kernels:
        return NEVER
    fastest = max(m.copy, m.add) * max(1.0, m.gaps)
    return 2 * m.call + o.size(o.left) * o.itemsize / fastest


def gather_floor(o: Outline) -> float:
    """Calls only: how much is read, the index map says. Not for patterns."""
    return NEVER if o.kernels else o.machine.call


def joined(o: Outline) -> int:
    """The labels a convolution runs over: of both values and all legs but inputs."""
    lone = (o.left ^ o.right) & ~o.alive & ~o.legs
    return (o.left | o.right | o.legs) & ~o.inputs & ~lone


def channels_of(o: Outline) -> tuple[int, int, int, int]:
    """Groups, summed channels, and those of the left and of the right value alone."""
    legs, both = o.legs, o.left & o.right & ~o.legs
    return (
        o.size(both & o.alive),
        o.size(both & ~o.alive),
        o.size(o.left & ~both & o.alive & ~legs),
        o.size(o.right & ~both & o.alive & ~legs),
    )


def native_floor(o: Outline) -> float:
    """The arithmetic at the fastest rate for these groups and channels."""
    m = o.machine
    dims = o.kernels.bit_count()
    if dims not in m.native_dims:
        return NEVER
    groups, summed, left, right = channels_of(o)
    read = bool(o.inputs & (o.left | o.right))
    work, larger = 2.0 * o.size(joined(o)), max(left, right)
    floors = []
    for (role, kind), rate in m.native.items():
        if (role == "transposed") is read or (kind == "dense") is not (groups == 1):
            continue
        first = larger if role == "weight" else summed
        share = rate.share(dims, False) * max(1.0, rate.dilated)
        share *= first / (first + rate.read) * larger / (larger + rate.made)
        floors.append(rate.call + work / (rate.rate * share))
    return min(floors, default=NEVER)


def taps_floor(o: Outline) -> float:
    """The same number of products, by matrix products or element by element, and what
    adds up the turns."""
    m, volume = o.machine, o.size(joined(o))
    # output legs may join the rows, the columns or the inner length
    turns, more = o.size(o.kernels), o.size(o.outputs)
    side = min(m.gemm_rows, m.gemm_columns)
    _, summed, left, right = channels_of(o)
    lengths = ((m.gemm_inner, summed), (side, left), (side, right))
    slow = 1.0
    for half, length in lengths:
        slow *= 1 + half / max(1, length * more)
    fastest = max(m.multiply, m.dot, m.turn, m.gemv, m.gemm_small / 2)
    products = min(2.0 * volume * slow / m.gemm, volume / fastest)
    made = o.size((o.left | o.right) & o.alive & ~o.legs) * o.itemsize
    if not o.kernels & o.alive:
        made *= more
    added = (turns - 1) * (m.call + made / m.add)
    return turns * m.call + products + added
