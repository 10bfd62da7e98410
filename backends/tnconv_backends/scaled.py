"""Products and their scale: it goes to whatever is smallest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnconv.execution.program import Gram, Matmul, Shape, size_of

Array = Any
Kernel = Callable[..., Array]


def scaled_product(product: Kernel, step: Matmul, shapes: Sequence[Shape]) -> Kernel:
    """A product and its scale, which goes to the smallest of operands and result."""
    if step.scale == 1:
        return product
    factor = float(step.scale)
    left, right = (size_of(shape) for shape in shapes)
    if size_of(step.shape) < min(left, right):
        return lambda a, b: _times(product(a, b), factor)
    if left <= right:
        return lambda a, b: product(a * factor, b)
    return lambda a, b: product(a, b * factor)


def scaled_gram(product: Kernel, step: Gram, shapes: Sequence[Shape]) -> Kernel:
    """The same of a product with oneself: each side takes the root of a scale."""
    if step.scale == 1:
        return product
    factor = float(step.scale)
    if factor < 0 or size_of(step.shape) < size_of(shapes[0]):
        return lambda a: _times(product(a), factor)
    return lambda a: product(a * factor**0.5)


def _times(found: Array, factor: float) -> Array:
    """A product that nobody else holds, scaled in place where the library can."""
    found *= factor
    return found
