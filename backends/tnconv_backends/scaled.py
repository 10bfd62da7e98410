"""Products and their scale: it goes to whatever is smallest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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
    before, after = gram_scales(step, shapes)
    if after != 1:
        return lambda a: _times(product(a), after)
    return product if before == 1 else lambda a: product(a * before)


def gram_scales(step: Gram, shapes: Sequence[Shape]) -> tuple[float, float]:
    """What is multiplied before, each side by the root of the scale, and after."""
    factor = float(step.scale)
    if factor < 0 or size_of(step.shape) < size_of(shapes[0]):
        return 1.0, factor
    return factor**0.5, 1.0


def _times(found: Array, factor: float) -> Array:
    """A product that nobody else holds, scaled in place where the library can."""
    found *= factor
    return found


def product_into(
    matmul: Kernel, step: Matmul | Gram, shapes: Sequence[Shape]
) -> Kernel:
    """A kernel that takes memory for its result first: a product, or one with oneself,
    scaled as those above; ``matmul`` knows ``out``."""

    def run(target: Array, *sources: Array) -> None:
        out = target.reshape(step.shape)
        if isinstance(step, Gram):

            def square(a: Array) -> Array:
                return matmul(a, a.swapaxes(-1, -2), out=out)

            scaled_gram(square, step, shapes)(*sources)
        else:
            scaled_product(partial(matmul, out=out), step, shapes)(*sources)

    return run
