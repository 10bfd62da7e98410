"""In which order a matrix is copied for a product: one of two, the other is a view."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from tnconv.planning.rates import copy_cost
from tnconv.planning.strides import LINE, paces

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder
    from tnconv.planning.value import Value

Groups = Sequence[Sequence[str]]


def saves(value: Value, other: Groups, usual: Groups, builder: Builder) -> bool:
    """Whether a copy in another order than usual saves more than it takes BLAS to read
    an operand that is turned; never with neighbors from different cache lines."""
    sizes, seconds = builder.sizes, []
    for groups in (other, usual):
        dims = [label for group in groups for label in group]
        shape = tuple([sizes[label] for label in dims])
        there = paces(value, dims, builder)
        wide = [by for by, size in zip(there, shape, strict=True) if size != 1]
        if groups is other and wide[-1] >= LINE:
            return False
        seconds.append(copy_cost(shape, there, builder).seconds)
    nbytes, rate = prod(shape) * builder.itemsize, builder.machine.turned
    return seconds[0] + (nbytes / rate if rate else 0.0) < seconds[1]
