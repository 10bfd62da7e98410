"""Linear equations whose matrix is never formed: preconditioned conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Array = Any


def conjugate(
    apply: Callable[[Array], Array],
    right: Array,
    start: Array,
    diagonal: Array,
    iterations: int,
    xp: Any,
) -> Array:
    """An approximate solution of ``apply(x) = right``, no worse than ``start``.

    ``apply`` is symmetric and positive semi-definite, ``diagonal`` (of the same shape
    as ``right``, or 1) is near its diagonal. Every iteration lowers the quadratic
    ``<x, apply(x)>/2 - <right, x>``. Source: Hestenes and Stiefel, 1952.
    """
    found = start
    residual = right - apply(start)
    step = ready = residual / diagonal
    product = float(xp.sum(residual * ready))
    least = 1e-24 * max(product, float(xp.sum(right * (right / diagonal))))
    for _ in range(iterations):
        if not product > least:
            break
        image = apply(step)
        curvature = float(xp.sum(step * image))
        if not curvature > 0:
            break
        length = product / curvature
        found = found + length * step
        residual = residual - length * image
        ready = residual / diagonal
        last, product = product, float(xp.sum(residual * ready))
        step = ready + (product / last) * step
    return found
