"""A site on bitmasks: what a form needs to say what it costs at least.

The search asks every form for a ``floor`` before any step is written, and tries the
candidate only when nothing cheaper is left. A floor may be low, but never above what
:func:`tnconv.planning.cost.price` says of the steps: then the search would miss plans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tnconv.planning.machine import Machine

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
    m: Machine, itemsize: int, batch: int, rows: int, inner: int, columns: int
) -> float:
    """Seconds that a batched matrix product takes at least."""
    side = min(m.gemm_rows, m.gemm_columns)  # either operand may be the first
    slow = (1 + side / max(1, rows)) * (1 + side / max(1, columns))
    slow *= (1 + m.gemm_inner / max(1, inner)) * 2 / m.gemm
    area = rows * inner + inner * columns + rows * columns
    work = max(rows * inner * columns * slow, area * itemsize / m.copy)
    return m.call + batch * (m.gemm_item + work)


def matrix_floor(o: Outline) -> float:
    """The matrix product of two values, at the best of its variants."""
    size, both = o.size, o.left & o.right
    return matrix_seconds(
        o.machine,
        o.itemsize,
        size(both & o.alive),
        size(o.left & ~both & o.alive),
        size(both & ~o.alive),
        size(o.right & ~both & o.alive),
    )


def multiply_seconds(m: Machine, count: int) -> float:
    """Seconds that ``count`` products take at least, element by element."""
    return m.call + count / m.multiply


def multiply_floor(o: Outline) -> float:
    """The elementwise product of two values."""
    used = (o.left & o.right) | ((o.left | o.right) & o.alive)
    return multiply_seconds(o.machine, o.size(used))


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
    return o.machine.call + o.size(carried) / max(o.machine.sum, o.machine.strided_sum)


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


def _joined(o: Outline) -> int:
    """The labels a convolution runs over: of both values and all legs but inputs."""
    lone = (o.left ^ o.right) & ~o.alive & ~o.legs
    return (o.left | o.right | o.legs) & ~o.inputs & ~lone


def native_floor(o: Outline) -> float:
    """The arithmetic at the fastest rate there is."""
    if not o.machine.native_dims:
        return NEVER
    fastest = max(rate.fastest for rate in o.machine.native.values())
    return 2.0 * o.size(_joined(o)) / fastest


def taps_floor(o: Outline) -> float:
    """The same number of products, by matrix products or element by element."""
    m, volume, legs = o.machine, o.size(_joined(o)), o.legs
    both = o.left & o.right & ~legs
    # output legs may join the rows, the columns or the inner length
    turns, more = o.size(o.kernels), o.size(o.outputs)
    side = min(m.gemm_rows, m.gemm_columns)
    lengths = (
        (m.gemm_inner, o.size(both & ~o.alive)),
        (side, o.size(o.left & ~both & o.alive & ~legs)),
        (side, o.size(o.right & ~both & o.alive & ~legs)),
    )
    slow = 1.0
    for half, length in lengths:
        slow *= 1 + half / max(1, length * more)
    products = min(2.0 * volume * slow / m.gemm, volume / m.multiply)
    return turns * m.call + products
