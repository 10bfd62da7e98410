"""What Fourier transforms and cumulative sums cost."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, prod
from typing import TYPE_CHECKING

from tnconv.execution.program import CumulativeSum, Shape, Spectral, size_of
from tnconv.planning.products import product_seconds
from tnconv.planning.rates import Cost, fresh

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder
    from tnconv.planning.machine import Machine

#: calls of array operations around one product of spectra
CALLS = 12


def spectral_cost(step: Spectral, builder: Builder) -> Cost:
    """Three sets of transforms at 2.5 n log2 n flops each, a product for every
    frequency, and fresh memory for the spectra."""
    m = builder.machine
    shapes = [builder.shapes[r] for r in step.sources]
    points = prod(step.lengths)
    signals = sum(prod(shape[:2]) for shape in (*shapes, step.shape))
    flops = signals * 2.5 * points * log2(max(2, points))
    spectra = spectra_bytes(step, shapes, builder.itemsize)
    made = size_of(step.shape) * builder.itemsize
    multiplied, seconds = _product(step, shapes, spectra, m)
    seconds += CALLS * m.call + flops / m.fft
    seconds += sum(fresh(nbytes, m) for nbytes in (*spectra, made))
    return Cost(seconds, int(flops) // 2 + multiplied, 2 * sum(spectra) + made)


def spectra_bytes(
    step: Spectral, sources: Sequence[Shape], itemsize: int
) -> tuple[int, ...]:
    """Bytes of the spectra of both operands and of the result."""
    each = 2 * step.frequencies * itemsize
    return tuple(prod(shape[:2]) * each for shape in (*sources, step.shape))


def _product(
    step: Spectral, shapes: Sequence[Shape], spectra: tuple[int, ...], m: Machine
) -> tuple[int, float]:
    """Multiply-adds and seconds of the products of spectra."""
    rows, inner, columns = step.matrices(*shapes)
    batch = step.groups * step.frequencies
    flops = 4 * batch * rows * inner * columns
    if step.is_thin(*shapes):
        return flops, (sum(spectra) + 2 * max(spectra)) / m.copy
    work = 4 * batch * product_seconds(rows, inner, columns, m)
    # spectra are turned to have their frequencies first, and turned back
    return flops, work + 4 * sum(spectra) / m.copy


def cumulative_cost(step: CumulativeSum, builder: Builder) -> Cost:
    """One pass at the rate of cumulative sums."""
    m = builder.machine
    count, nbytes = size_of(step.shape), size_of(step.shape) * builder.itemsize
    seconds = 2 * m.call + count / m.cumulative + fresh(nbytes, m)
    return Cost(seconds, count, 2 * nbytes)
