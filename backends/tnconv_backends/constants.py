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


def constant(xp: Any, step: Constant, dtype: Any, device: Any) -> Array:
    """The array of a :class:`Constant` step."""
    if isinstance(step.record, IndexMap):
        entries = _index_map(xp, step.record, device)
        summed = tuple(
            j for j, leg in enumerate(("input", "output")) if leg not in step.legs
        )
    else:
        legs = _widened(step.record, step.legs)
        entries = _PATTERNS[legs](xp, step.record, device)
        summed = tuple(j for j, leg in enumerate(legs) if leg not in step.legs)
    entries = xp.astype(entries, dtype)
    return xp.sum(entries, axis=summed, dtype=dtype) if summed else entries


def _widened(record: IndexPattern, legs: tuple[str, ...]) -> tuple[str, ...]:
    """The legs to compute over: at least two, so that the third can be solved for."""
    if len(legs) >= 2:
        return legs
    wide = [leg for leg in ("input", "output", "kernel") if leg not in legs]
    extra = sorted(wide, key=lambda leg: getattr(record, leg))[: 2 - len(legs)]
    return tuple(a for a in ("input", "output", "kernel") if a in (*legs, *extra))


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
