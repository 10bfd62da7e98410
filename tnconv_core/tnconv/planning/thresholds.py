"""Floors of the forms that do something special: scatters, convolutions as a whole,
transforms, triangles, lags, lines."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, prod

from tnconv.network import Pattern
from tnconv.pattern import IndexPattern
from tnconv.planning.cost import kind_of
from tnconv.planning.machine import Machine
from tnconv.planning.outline import (
    NEVER,
    Outline,
    channels_of,
    elements,
    is_read,
    matrices,
    matrix_work,
)
from tnconv.planning.products import triangle_seconds
from tnconv.planning.rates import fresh
from tnconv.planning.series import CALLS


def indices(o: Outline) -> list[IndexPattern]:
    """The records of the patterns."""
    return [rule.index for rule in o.constraints if isinstance(rule, Pattern)]


def fold_floor(o: Outline) -> float:
    """Zeros, and every element added or assigned in inner loops along the pattern's
    legs, or in loops with gaps."""
    m = o.machine
    if not o.inputs & o.alive & ~o.left or not o.kernels:
        return NEVER
    (index,), fixed = indices(o), (o.outputs | o.kernels) & o.alive
    moved = o.size(o.left | o.outputs | o.kernels) * o.itemsize
    made = o.size(o.alive & ~o.inputs) * index.extent * o.itemsize
    injective = bool(fixed) or index.is_injective()
    calls = 2 if injective else 2 + min(index.output, index.kernel)
    rate = m.copy if injective else m.add
    gappy = moved / (rate * m.gaps)
    loops = moved / o.itemsize / longest_run(index)
    least = min(gappy, moved / rate + loops * m.run)
    return m.call * calls + least + made / m.zeros + fresh(made, m)


def longest_run(index: IndexPattern) -> float:
    """Elements of the longest inner loop that adds neighbors to neighbors: along one
    leg of step 1, further only where windows lie side by side."""
    if index.extent == index.output * index.kernel:
        return NEVER
    along = index.output if index.stride == 1 else 1
    return max(1, along, index.kernel if index.dilation == 1 else 1)


def native_floor(o: Outline) -> float:
    """What a call costs in the best of its roles, its operands being ready."""
    if len(o.constraints) not in o.machine.native_dims or not indices(o):
        return NEVER
    groups, summed, left, right = channels_of(o)
    turned = o.inputs & o.right if is_read(o) else False
    rows, columns = (right, left) if turned else (left, right)
    sides, found = (groups, summed, rows, columns), indices(o)
    swapped = [index.swap() for index in found]
    if is_read(o):
        if o.outputs & (o.left | o.right):
            found, swapped = swapped, found
        calls = [("forward", found, sides), ("weight", swapped, sides)]
    else:
        if o.kernels & o.left:
            found, swapped = swapped, found
        other = (groups, summed, columns, rows)
        calls = [("transposed", found, sides), ("transposed", swapped, other)]
    return min([call_seconds(o.machine, o.itemsize, *call) for call in calls])


def call_seconds(
    m: Machine,
    itemsize: int,
    role: str,
    patterns: Sequence[IndexPattern],
    sides: tuple[int, int, int, int],
) -> float:
    """What one native call costs at least, its operands being ready; ``sides`` are as
    of :func:`channels_of`."""
    groups, summed, rows, columns = sides
    taps = space = wide = steps = gap = 1
    for p in patterns:
        taps, space, steps = taps * p.kernel, space * p.output, steps * p.stride
        # all that a pattern reads or reaches; a library may pad, and crop, by itself
        wide, gap = wide * min(p.input, p.extent), max(gap, p.dilation)
    read, by, made = {
        "forward": (wide, taps, space),
        "weight": (wide, space, taps),
        "transposed": (space, taps, wide),
    }[role]
    first, second = groups * rows * summed * read, groups * summed * columns * by
    third = groups * rows * columns * made
    channels = (rows if role == "weight" else summed, columns)
    rate = m.native[role, kind_of(groups, *channels)]
    # what stands beside the convolution may be axes of the map
    count, beside = len(patterns), summed if role == "weight" else rows
    dims = [count] if beside == 1 else m.native_dims
    share = max([rate.share(n, gap > 1) for n in dims if n >= count])
    flops = 2 * groups * rows * summed * columns * taps * space
    flops *= steps**rate.stride / share
    space *= beside
    moved = first + second, third
    work = rate.seconds(flops, channels, taps, space, space, moved)  # in one row
    packed = sum([fresh(n * itemsize, m) for n in (first, second, third)])
    return max(work, (first + second + third) * itemsize / m.copy) + packed


def half_floor(o: Outline) -> float:
    """The triangle; copies have equal sizes."""
    m, both = o.machine, o.left & o.right
    rows, columns = (o.size(a & ~both & o.alive) for a in (o.left, o.right))
    if not m.mirror or rows != columns or not o.left & ~both & o.alive:
        return NEVER
    inner, batch = o.size(both & ~o.alive), o.size(both & o.alive)
    halved = batch * matrix_work(m, rows, inner, rows) / 2
    return min(triangle_seconds(batch, rows, inner, m)[0], m.call + halved)


def lag_floor(o: Outline) -> float:
    """For every lag a product over what all its windows share, the calls for the ends,
    and a copy of all results; one input leg of stride 1 on either side."""
    mine, theirs = o.inputs & o.left, o.inputs & o.right
    index = indices(o)[0]
    if not mine or not theirs or mine == theirs or o.inputs & o.alive:
        return NEVER
    if index.stride > 1:
        return NEVER
    m, count, both = o.machine, index.kernel, o.left & o.right
    inner, batch = o.size(both & ~o.alive), o.size(both & o.alive)
    rows = o.size(o.left & ~both & o.alive & ~o.legs)
    shared = [_shared(index, lag) * inner for lag in range(count)]
    work = sum(matrix_work(m, rows, length, rows) for length in shared[1:])
    work += triangle_seconds(1, rows, shared[0], m)[0] if shared[0] else 0.0
    made = count * count * batch * rows * rows * o.itemsize
    return m.call * count * count + batch * work + made / m.copy


def _shared(index: IndexPattern, lag: int) -> int:
    """Positions in all windows of a lag, and not padding at either end."""
    start, shift = index.dilation * (index.kernel - 1 - lag), index.dilation * lag
    stop = min(index.output, index.padding + index.input - shift)
    return max(0, stop - max(start, index.padding))


def flat_floor(o: Outline) -> float:
    """The product at all positions at once; not for what would be scattered."""
    if not is_read(o) or any(p.stride > 1 for p in indices(o)):
        return NEVER
    legs = o.outputs | o.kernels
    left, right = (
        side & ~o.inputs | legs if side & o.inputs else side
        for side in (o.left, o.right)
    )
    whole = 1 << 62, 1 << 62  # the run is longer than any label
    return min(
        matrices(o, left, right, o.alive), elements(o, left, right, o.alive, whole)
    )


def fourier_floor(o: Outline) -> float:
    """Transforms as long as all that is read, their product at every frequency, and
    memory for the spectra."""
    m = o.machine
    if not m.fft or not indices(o):
        return NEVER
    points = prod(p.extent for p in indices(o))
    groups, summed, left, right = channels_of(o)
    signals = [groups * n for n in (summed * left, summed * right, left * right)]
    flops = sum(signals) * 2.5 * points * log2(max(2, points))
    # half as many frequencies and one more, in pairs of numbers
    spectra = [n * points * o.itemsize for n in signals]
    seconds = CALLS * m.call + flops / m.fft + sum(fresh(n, m) for n in spectra)
    if summed == 1 or left * right == 1:
        return seconds + (sum(spectra) + 2 * max(spectra)) / m.copy
    work = 2 * groups * points * matrix_work(m, left, summed, right)
    return seconds + work + 4 * sum(spectra) / m.copy


def cumulative_floor(o: Outline) -> float:
    """Two sums and what adds them; only where a leg is in nothing else."""
    m = o.machine
    if not m.cumulative or not o.kernels or not o.legs & ~o.left & ~o.alive:
        return NEVER
    return 5 * m.call
