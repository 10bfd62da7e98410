"""Floors of the forms that do something special: transforms, triangles, lags, lines."""

from __future__ import annotations

from math import isqrt, log2

from tnconv.planning.outline import NEVER, Outline, channels_of, joined
from tnconv.planning.series import CALLS


def half_floor(o: Outline) -> float:
    """Half of the product at the peak rate; copies have equal sizes."""
    m, both = o.machine, o.left & o.right
    rows, columns = (o.size(a & ~both & o.alive) for a in (o.left, o.right))
    if not m.mirror or rows != columns or not o.left & ~both & o.alive:
        return NEVER
    inner, batch = o.size(both & ~o.alive), o.size(both & o.alive)
    return m.call + batch * rows * inner * columns / m.gemm


def lag_floor(o: Outline) -> float:
    """A call for every product of a lag or a strip; one input leg on either side."""
    mine, theirs = o.inputs & o.left, o.inputs & o.right
    if not mine or not theirs or mine == theirs or o.inputs & o.alive:
        return NEVER
    count = isqrt(o.size(o.kernels))
    return o.machine.call * count


def flat_floor(o: Outline) -> float:
    """All products at the fastest rate there is; not for what would be scattered."""
    m = o.machine
    if not o.inputs & (o.left | o.right):
        return NEVER
    count = o.size(joined(o))
    fastest = max(m.multiply, m.dot, m.turn, m.gemv)
    return m.call + min(2.0 * count / m.gemm, count / fastest)


def fourier_floor(o: Outline) -> float:
    """The transforms, at least as long as either of two legs."""
    m = o.machine
    if not m.fft:
        return NEVER
    points = max(o.size(o.outputs), o.size(o.kernels))
    groups, summed, left, right = channels_of(o)
    signals = groups * (summed * left + summed * right + left * right)
    flops = signals * 2.5 * points * log2(max(2, points))
    # spectra of half the points in pairs of numbers, and what their product moves
    moved = signals * points * o.itemsize * 5 / 3
    return CALLS * m.call + flops / m.fft + moved / m.copy


def cumulative_floor(o: Outline) -> float:
    """Two sums and what adds them; only where a leg is in nothing else."""
    m = o.machine
    if not m.cumulative or not o.kernels or not o.legs & ~o.left & ~o.alive:
        return NEVER
    return 5 * m.call
