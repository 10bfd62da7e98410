"""Where the arrays of a :class:`Stack` go."""

from __future__ import annotations

from itertools import product

from tnconv.execution.program import Shape, Stack


def along(sources: tuple[int, ...], shape: Shape) -> Stack:
    """Arrays as slices of a new leading axis."""
    return Stack(sources, shape, shape, 1, tuple(range(len(shape))))


def places(step: Stack) -> list[tuple[int, ...]]:
    """Where each array is, along the leading dimensions."""
    return list(product(*(range(size) for size in step.dims[: step.lead])))


def written(step: Stack) -> Shape:
    """The dimensions in the order of memory."""
    return tuple(step.dims[d] for d in step.order)


def inverse(step: Stack) -> tuple[int, ...]:
    """Where each dimension is in memory.

    >>> inverse(Stack((0, 1), (3, 2), (2, 3), 1, (1, 0)))
    (1, 0)
    """
    return tuple(sorted(range(len(step.order)), key=step.order.__getitem__))
