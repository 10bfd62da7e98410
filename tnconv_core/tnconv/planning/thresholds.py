"""Floors of the forms that do something special: scatters, convolutions as a whole,
transforms, triangles, lags, lines."""

from __future__ import annotations

from math import log2, prod

from tnconv.network import Pattern
from tnconv.pattern import IndexPattern
from tnconv.planning.cost import kind_of
from tnconv.planning.outline import (
    NEVER,
    Outline,
    channels_of,
    is_read,
    matrix_floor,
    matrix_work,
    multiply_seconds,
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
    sides = groups, summed, rows, columns
    if is_read(o):
        swap = bool(o.outputs & (o.left | o.right))
        calls = [
            _call_seconds(o, "forward", sides, swap),
            _call_seconds(o, "weight", sides, not swap),
        ]
    else:
        swap = bool(o.kernels & o.left)
        calls = [
            _call_seconds(o, "transposed", sides, swap),
            _call_seconds(o, "transposed", (groups, summed, columns, rows), not swap),
        ]
    return min(calls)


def _call_seconds(
    o: Outline, role: str, sides: tuple[int, int, int, int], swap: bool
) -> float:
    """One call, with ``sides`` as of :func:`channels_of`, where output and kernel legs
    may be exchanged."""
    m, found, (groups, summed, rows, columns) = o.machine, indices(o), sides
    taps, space = prod([p.kernel for p in found]), prod([p.output for p in found])
    steps = prod([p.dilation if swap else p.stride for p in found])
    gap = max([p.stride if swap else p.dilation for p in found])
    taps, space = (space, taps) if swap else (taps, space)
    # all that a pattern reads or reaches; a library may pad, and crop, by itself
    wide = prod([min(p.input, p.extent) for p in found])
    lengths = {
        "forward": (wide, taps, space),
        "weight": (wide, space, taps),
        "transposed": (space, taps, wide),
    }[role]
    each = rows * summed, summed * columns, rows * columns
    arrays = [groups * a * b for a, b in zip(each, lengths, strict=True)]
    channels = (rows if role == "weight" else summed, columns)
    rate = m.native[role, kind_of(groups, *channels)]
    # what stands beside the convolution may be axes of the map
    dims = [len(found)] if role == "weight" or rows == 1 else m.native_dims
    shares = [rate.share(n, gap > 1) for n in dims if n >= len(found)]
    share = max(shares) / steps**rate.stride
    flops = 2 * groups * rows * summed * columns * taps * space / share
    space *= 1 if role == "weight" else rows
    elements = arrays[0] + arrays[1], arrays[2]
    work = rate.seconds(flops, channels, taps, space, elements)
    packed = sum([fresh(n * o.itemsize, m) for n in arrays])
    return max(work, sum(arrays) * o.itemsize / m.copy) + packed


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
    plain = o._replace(left=left, right=right)
    kept, summed = (left | right) & o.alive, left & right & ~o.alive
    return min(
        matrix_floor(plain),
        multiply_seconds(o.machine, o.size(kept), o.size(summed)),
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
