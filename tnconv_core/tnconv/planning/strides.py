"""How far registers move in memory, and the inner loops that walk over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, prod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tnconv.execution.program import (
    AxisMap,
    MultiplySum,
    Program,
    Shape,
    Step,
    View,
)

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder
    from tnconv.planning.value import Value


class Registers(Protocol):
    """Arrays and the steps that make them, with the strides that were asked for."""

    @property
    def inputs(self) -> int: ...
    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def shapes(self) -> Sequence[Shape]: ...
    @property
    def strides(self) -> dict[int, list[int]]: ...


class Layout:
    """The registers of a program."""

    def __init__(self, program: Program) -> None:
        self.inputs, self.steps = len(program.inputs), program.steps
        self.shapes = program.shapes
        self.strides: dict[int, list[int]] = {}


#: elements of a cache line, in single precision
LINE = 16


class Run(NamedTuple):
    """Elements of an inner loop, whether they are neighbors in memory, and elements of
    the two innermost loops together."""

    length: int
    dense: bool
    plane: float = inf


def row_major(shape: Shape) -> list[int]:
    """The strides of contiguous memory, in elements."""
    strides, step = [0] * len(shape), 1
    for d in range(len(shape) - 1, -1, -1):
        strides[d] = step
        step *= shape[d]
    return strides


def moves(maps: tuple[AxisMap, ...], strides: Sequence[int], count: int) -> list[int]:
    """How far each of ``count`` dimensions moves over an array with these strides."""
    found = [0] * count
    for axis, stride in zip(maps, strides, strict=True):
        for d, by in enumerate(axis.steps):
            found[d] += by * stride
    return found


def strides_of(register: int, builder: Registers) -> list[int]:
    """The strides of a register: of a view, those of what it looks at."""
    found = builder.strides.get(register)
    if found is None:
        found = builder.strides[register] = _strides_of(register, builder)
    return found


def _strides_of(register: int, builder: Registers) -> list[int]:
    at = register - builder.inputs
    step = builder.steps[at] if 0 <= at < len(builder.steps) else None
    if not isinstance(step, View) or step.copy:
        return row_major(builder.shapes[register])
    below = strides_of(step.sources[0], builder)
    return fused(step.shape, step.dims, moves(step.maps, below, len(step.dims)))


def spanned(register: int, builder: Builder) -> int:
    """Elements of memory that reading a register goes through: of a view, all that it
    looks at where it skips some of a cache line, or the lines of its own elements."""
    at, own = register - builder.inputs, prod(builder.shapes[register])
    while 0 <= at < len(builder.steps):
        step = builder.steps[at]
        if not isinstance(step, View) or step.copy:
            break
        register = step.sources[0]
        at = register - builder.inputs
    return min(prod(builder.shapes[register]), LINE * own)


def fused(shape: Shape, dims: Shape, strides: list[int]) -> list[int]:
    """The strides of ``dims`` fused to ``shape``: each group moves as its last
    dimension does."""
    if shape == dims:
        return strides
    found, at = [], len(dims)
    for size in reversed(shape):
        length, stride = 1, 1
        while at and length < size:
            at -= 1
            if length == 1 and dims[at] > 1:
                stride = strides[at]
            length *= dims[at]
        found.append(stride)
    return found[::-1]


def paces(value: Value, dims: Sequence[str], builder: Builder) -> list[int]:
    """How far each label moves in memory, through the view that the register may be."""
    strides = strides_of(value.register, builder)
    moved = dict.fromkeys(dims, 0)
    for axis, stride in zip(value.axes, strides, strict=True):
        for label, by in axis.terms:
            moved[label] += by * stride
    return list(moved.values())


def inner_run(dims: Shape, there: Sequence[int], here: Sequence[int]) -> Run:
    """The inner loops of a walk over two arrays at once.

    ``here`` and ``there`` are the strides of the two arrays that are walked together;
    loops are nested in the order of the first.
    """
    order = [d for d, size in enumerate(dims) if size > 1]
    order.sort(key=lambda d: (abs(here[d]), -d))
    if not order:
        return Run(1, True)
    length, at = _fused(order, 0, dims, there, here)
    inner = order[0]
    dense = abs(here[inner]) == abs(there[inner]) == 1
    outer = _fused(order, at, dims, there, here)[0] if at < len(order) else 1
    return Run(length, dense, length * outer)


def _fused(
    order: Sequence[int],
    at: int,
    dims: Shape,
    there: Sequence[int],
    here: Sequence[int],
) -> tuple[int, int]:
    """Elements of one loop, over the dimension at a position of the order and those
    after it that move on with it in both arrays; and where the next one starts."""
    d = order[at]
    length, first, second = dims[d], here[d], there[d]
    for next_at in range(at + 1, len(order)):
        d = order[next_at]
        if here[d] != first * length or there[d] != second * length:
            return length, next_at
        length *= dims[d]
    return length, len(order)


def turned_bytes(register: int, builder: Builder) -> int:
    """Bytes of matrices whose columns, not rows, lie in order of memory; else 0."""
    dims, strides = builder.shapes[register], strides_of(register, builder)
    turned = min(dims[-2:]) > 1 and strides[-1] != 1
    return prod(dims) * builder.itemsize if turned else 0


def is_apart(step: MultiplySum, builder: Builder) -> bool:
    """Whether the innermost dimension of a product does not lie in order of memory."""
    inner = max((*step.left, *step.right), default=None)
    for own, register in zip((step.left, step.right), step.sources, strict=True):
        if inner in own and strides_of(register, builder)[own.index(inner)] > 1:
            return True
    return False


def are_matrices(
    groups: Sequence[Sequence[int]], sizes: Mapping[int, int], moves: Mapping[int, int]
) -> bool:
    """Whether dimensions in some groups are matrices that BLAS takes where they lie:
    each group moves as one, and one of the last two from neighbor to neighbor."""
    ends = []
    for group in groups:
        wide = [d for d in group if sizes[d] != 1]
        for outer, inner in pairwise(wide):
            if moves[outer] != moves[inner] * sizes[inner]:
                return False
        ends.append(moves[wide[-1]] if wide else 1)
    return 1 in ends[-2:]
