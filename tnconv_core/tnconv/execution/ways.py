"""In which parts a step is best run by a library without a fused kernel for it.

The cost model and the kernels ask the same functions, so what is priced is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tnconv.execution.program import (
    AddInto,
    Loop,
    MultiplySum,
    Shape,
    Slices,
    size_of,
)

#: elements of a block that stays in a core's cache together with two operands
BLOCK = 1 << 16
#: shortest dot product, and fewest results, that are worth a call of their own
SHORT = 32
FEW = 1 << 12

#: below so many rows or columns, a product is slow on PyTorch unless BLAS is given the
#: thin operand with its inner axis in order of memory: then up to four times as fast
THIN = 16


@dataclass(frozen=True, slots=True)
class Product:
    """The dimensions of a multiply-and-sum: kept, in order, and summed, with sizes.

    ``dots``: the innermost dimension is summed and both operands have it, so that the
    work is dot products. ``turns``: it is kept, and the products of one position of
    the summed dimensions fill whole passes over the result.
    """

    sizes: Mapping[int, int]
    kept: tuple[int, ...]
    summed: tuple[int, ...]
    dots: bool
    turns: bool

    @property
    def elements(self) -> int:
        """Products in all."""
        return prod(self.sizes.values())

    def size(self, dims: Sequence[int]) -> int:
        """Positions of some of the dimensions."""
        return prod(self.sizes[d] for d in dims)


def product_of(step: MultiplySum, shapes: Sequence[Shape]) -> Product:
    """What a step multiplies, and whether as dot products or in turns.

    >>> step = MultiplySum((0, 1), (3,), (0, 1), (0, 1), (0,))
    >>> product_of(step, [(3, 50), (3, 50)]).dots
    True
    """
    sizes = dict(zip(step.left, shapes[0], strict=True))
    sizes.update(zip(step.right, shapes[1], strict=True))
    summed = tuple(d for d in sorted(sizes) if d not in step.out)
    inner = max(sizes, default=None)
    both = inner in step.left and inner in step.right
    dots = inner in summed and both and sizes[inner] >= SHORT
    results = prod(sizes[d] for d in step.out)
    turns = inner in step.out and bool(summed) and results >= FEW
    return Product(sizes, step.out, summed, dots, turns)


class Matrices(NamedTuple):
    """The dimensions of a multiply-and-sum that is a batch of matrix products."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    inner: tuple[int, ...]
    columns: tuple[int, ...]


def matrices_of(step: MultiplySum, shapes: Sequence[Shape]) -> Matrices | None:
    """A multiply-and-sum as matrix products, where a sum meets an outer product; None
    where it is a dot product, or no sum, or nothing.

    >>> step = MultiplySum((0, 1), (3, 2), (0, 1), (1, 2), (0, 2))
    >>> matrices_of(step, [(3, 5), (5, 2)])
    Matrices(batch=(), rows=(0,), inner=(1,), columns=(2,))
    """
    left, right, out = {*step.left}, {*step.right}, {*step.out}
    outer, summed = (left ^ right) & out, (left & right) - out
    covered = left | right == (left & right) | outer
    if not (summed and outer and covered and all(map(all, shapes))):
        return None
    return Matrices(
        tuple(d for d in step.out if d in left and d in right),
        tuple(d for d in step.out if d not in right),
        tuple(d for d in step.left if d in summed),
        tuple(d for d in step.out if d not in left),
    )


def as_matrix(
    dims: Sequence[int], strides: Sequence[int], axes: Sequence[int]
) -> tuple[int, int, int, int] | None:
    """An array that is summed over ``axes`` as the matrix times ones that BLAS takes:
    rows, columns, and how far apart each lie; None where there is none.

    >>> as_matrix((8, 4, 5), (20, 5, 1), (1, 2))
    (8, 20, 20, 1)
    >>> as_matrix((8, 5, 3), (7, 1, 1), (2,)) is None  # windows
    True
    """
    kept = [d for d in range(len(dims)) if d not in axes]
    rows = _one(kept, dims, strides)
    columns = _one(sorted(axes, key=lambda d: -strides[d]), dims, strides)
    if rows is None or columns is None:
        return None
    (many, far), (length, step) = rows, columns
    if many == 1:
        far = length
    in_order = step == 1 and far >= length
    if not in_order and not (far == 1 and step >= many):
        return None
    return many, length, far, step


def _one(
    group: Sequence[int], dims: Sequence[int], strides: Sequence[int]
) -> tuple[int, int] | None:
    """Some dimensions as one: its length and stride; None where they are not one."""
    wide = [d for d in group if dims[d] != 1]
    length = 1
    for outer, inner in pairwise(wide):
        if strides[outer] != strides[inner] * dims[inner]:
            return None
    for d in wide:
        length *= dims[d]
    return (length, strides[wide[-1]]) if wide else (1, 1)


def row_blocks(rows: int) -> list[tuple[int, int]]:
    """The row blocks in which a symmetric result of so many rows is made.

    Each is multiplied with the columns from its diagonal on, so more blocks multiply
    less, and thin ones more slowly: 144 rows and eight blocks at most were measured
    to be a good middle, and one block for 64 rows or fewer.

    >>> row_blocks(300)
    [(0, 100), (100, 200), (200, 300)]
    """
    count = min(8, max(2, -(-rows // 144))) if rows > 64 else 1
    step = max(1, -(-rows // count))
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def filled(step: Loop | AddInto, source: Shape = ()) -> Slices | None:
    """The box of the result that is written in full, by parts that are equal or apart;
    None where there is none.

    ``source`` is the shape of what an :class:`AddInto` adds.

    >>> from tnconv.execution.program import Block
    >>> halves = [Block((), ((0, 2),), 0), Block((), ((2, 4),), 0)]
    >>> filled(Loop((), (5,), tuple(halves), ()))
    ((0, 4),)
    >>> filled(Loop((), (5,), (halves[0], Block((), ((3, 5),), 0)), ()))
    """
    return _box_of_blocks(step) if isinstance(step, Loop) else _box_of(step, source)


def _box_of_blocks(step: Loop) -> Slices | None:
    parts = {block.write for block in step.blocks}
    box, count = [], 1
    for axis in range(len(step.shape)):
        spans = sorted({part[axis] for part in parts})
        if any(before[1] != after[0] for before, after in pairwise(spans)):
            return None
        box.append((spans[0][0], spans[-1][1]))
        count *= len(spans)
    return tuple(box) if count == len(parts) else None


def _box_of(step: AddInto, source: Shape) -> Slices | None:
    """As many positions as elements that never meet are all of them."""
    if not step.injective or not size_of(source):
        return None
    box = []
    for axis in step.maps:
        ends = [by * (n - 1) for by, n in zip(axis.steps, source, strict=True)]
        low = axis.offset + sum(min(0, end) for end in ends)
        box.append((low, axis.offset + sum(max(0, end) for end in ends) + 1))
    volume = prod(stop - start for start, stop in box)
    return tuple(box) if volume == size_of(source) else None


def around(box: Slices, shape: Shape) -> list[tuple[slice, ...]]:
    """What is left of an array beside a box, as slabs that are apart.

    >>> around(((0, 4), (1, 3)), (5, 3))
    [(slice(4, 5, None),), (slice(0, 4, None), slice(0, 1, None))]
    """
    slabs: list[tuple[slice, ...]] = []
    ahead: tuple[slice, ...] = ()
    for (start, stop), size in zip(box, shape, strict=True):
        for low, high in ((0, start), (stop, size)):
            if low < high:
                slabs.append((*ahead, slice(low, high)))
        ahead = (*ahead, slice(start, stop))
    return slabs
