"""Patterns as arrays, computed by index arithmetic on the caller's own library.

A leg that is summed away is solved for, never enumerated, so an array over two legs
costs no more than those two.
"""

from __future__ import annotations

from typing import Any

from tnconv.execution.program import Constant
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap

Array = Any
LEGS = ("input", "output", "kernel")


def constant(xp: Any, step: Constant, dtype: Any, device: Any) -> Array:
    """The array of a :class:`Constant` step: one factor after another."""
    found, dims = xp.ones((), dtype=dtype, device=device), []
    for number, record in enumerate(step.records):
        legs = tuple(leg for leg in LEGS if (number, leg) in step.legs)
        factor = _factor(xp, record, legs, dtype, device)
        wide = (*found.shape, *(1 for _ in legs))
        found = xp.reshape(found, wide) * factor
        dims += [(number, leg) for leg in legs]
    order = tuple(dims.index(leg) for leg in step.legs)
    if order == tuple(range(len(order))):
        return found
    flat = xp.reshape(xp.permute_dims(found, order), (-1,))  # in order of memory
    return xp.reshape(flat, step.shape)


def _factor(
    xp: Any,
    record: IndexPattern | IndexMap,
    kept: tuple[str, ...],
    dtype: Any,
    device: Any,
) -> Array:
    """One record over some of its legs, in their order."""
    legs: tuple[str, ...] = ("input", "output")
    if isinstance(record, IndexMap):
        entries = _index_map(xp, record, device)
    else:
        legs = _widened(record, kept)
        entries = _PATTERNS[legs](xp, record, device)
    summed = tuple(j for j, leg in enumerate(legs) if leg not in kept)
    entries = xp.astype(entries, dtype)
    return xp.sum(entries, axis=summed, dtype=dtype) if summed else entries


def _widened(record: IndexPattern, legs: tuple[str, ...]) -> tuple[str, ...]:
    """The legs to compute over: at least two, so that the third can be solved for."""
    if len(legs) >= 2:
        return legs
    wide = [leg for leg in LEGS if leg not in legs]
    extra = sorted(wide, key=lambda leg: getattr(record, leg))[: 2 - len(legs)]
    return tuple(a for a in LEGS if a in (*legs, *extra))


def _range(xp: Any, size: int, device: Any, axis: int, ndim: int) -> Array:
    values = xp.arange(size, device=device)  # of the library's default integer dtype
    return xp.reshape(values, tuple(size if j == axis else 1 for j in range(ndim)))


def _dense(xp: Any, p: IndexPattern, device: Any) -> Array:
    i = _range(xp, p.input, device, 0, 3)
    o = _range(xp, p.output, device, 1, 3)
    k = _range(xp, p.kernel, device, 2, 3)
    return i == o * p.stride + k * p.dilation - p.padding


def _mask(xp: Any, p: IndexPattern, device: Any) -> Array:
    o = _range(xp, p.output, device, 0, 2)
    k = _range(xp, p.kernel, device, 1, 2)
    i = o * p.stride + k * p.dilation - p.padding
    return (i >= 0) & (i < p.input)


def _input_output(xp: Any, p: IndexPattern, device: Any) -> Array:
    i = _range(xp, p.input, device, 0, 2)
    o = _range(xp, p.output, device, 1, 2)
    rest = i - o * p.stride + p.padding
    inside = (rest >= 0) & (rest < p.kernel * p.dilation)
    return inside & (rest % p.dilation == 0)


def _input_kernel(xp: Any, p: IndexPattern, device: Any) -> Array:
    return _input_output(xp, p.swap(), device)


def _index_map(xp: Any, record: IndexMap, device: Any) -> Array:
    i = _range(xp, record.input, device, 0, 2)
    positions = xp.asarray(record.positions(), dtype=i.dtype, device=device)
    return i == xp.reshape(positions, (1, record.output))


_PATTERNS = {
    ("input", "output", "kernel"): _dense,
    ("output", "kernel"): _mask,
    ("input", "output"): _input_output,
    ("input", "kernel"): _input_kernel,
}
