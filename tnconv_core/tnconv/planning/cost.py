"""What a step costs: seconds, multiply-adds, bytes moved.

The terms are those measurements showed to matter: matrix products by shape, copies by
the length of their contiguous runs, strided sums, fresh memory, the number of calls,
and the backend's own convolution by role and kind of grouping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

from tnconv.execution.placing import inverse, written
from tnconv.execution.program import (
    Add,
    AddInto,
    Conjugate,
    Constant,
    CumulativeSum,
    Gather,
    Gram,
    Loop,
    Matmul,
    MultiplySum,
    Native,
    Pad,
    Scale,
    Shape,
    Spectral,
    Stack,
    Step,
    Sum,
    View,
    size_of,
)
from tnconv.execution.ways import as_matrix, row_blocks
from tnconv.planning.batches import written_out
from tnconv.planning.elementwise import multiply_sum_cost
from tnconv.planning.products import SMALL, product_seconds, triangle_seconds
from tnconv.planning.rates import (
    Cost,
    copy_cost,
    copy_seconds,
    fresh,
    memory_seconds,
    walk,
)
from tnconv.planning.series import cumulative_cost, spectral_cost
from tnconv.planning.strides import (
    Run,
    inner_run,
    moves,
    row_major,
    spanned,
    strides_of,
    turned_bytes,
)

__all__ = ["Cost", "copy_cost", "price"]

if TYPE_CHECKING:
    from tnconv.planning.builder import Builder
    from tnconv.planning.machine import Machine


def price(step: Step, builder: Builder) -> Cost:
    """The cost of one step on the builder's machine."""
    return _PRICES[type(step)](step, builder)


def _view(step: View, builder: Builder) -> Cost:
    m = builder.machine
    if not step.copy:
        return Cost(m.view)
    there = moves(step.maps, strides_of(step.sources[0], builder), len(step.dims))
    return copy_cost(step.dims, there, builder)


def _pad(step: Pad, builder: Builder) -> Cost:
    m = builder.machine
    nbytes = size_of(step.shape) * builder.itemsize
    run, plane = (max(1, prod(step.shape[-n:])) for n in (1, 2))
    # zeros are written everywhere first, under what is copied too
    seconds = nbytes / m.zeros + copy_seconds(nbytes, Run(run, True, plane), builder)
    return Cost(2 * m.call + seconds, 0, 2 * nbytes)


def _add_into(step: AddInto, builder: Builder) -> Cost:
    m = builder.machine
    moved = size_of(builder.shapes[step.sources[0]]) * builder.itemsize
    made = size_of(step.shape) * builder.itemsize if len(step.sources) == 1 else 0
    calls = 2 if step.injective else 2 + _turns(step, builder)
    dims = builder.shapes[step.sources[0]]
    into = moves(step.maps, row_major(step.shape), len(dims))
    run = inner_run(dims, strides_of(step.sources[0], builder), into)
    assigned = step.injective and len(step.sources) == 1
    rate = m.copy if assigned else m.add
    seconds = m.call * calls + walk(moved, run, rate, builder)
    seconds += made / m.zeros + fresh(made, m)
    return Cost(seconds, 0 if step.injective else moved // builder.itemsize, 2 * moved)


def _turns(step: AddInto, builder: Builder) -> int:
    """How many slices are added, where positions meet."""
    dims = builder.shapes[step.sources[0]]
    turns = 1
    for axis in step.maps:
        used = [dims[d] for d, by in enumerate(axis.steps) if by]
        if len(used) > 1:
            turns *= prod(sorted(used)[:-1])
    return turns


def _sum(step: Sum, builder: Builder) -> Cost:
    m = builder.machine
    (source,) = step.sources
    dims, strides = builder.shapes[source], strides_of(source, builder)
    count = size_of(dims)
    if m.gemv and as_matrix(dims, strides, step.axes):
        work = count / m.gemv
    else:
        run = inner_run(dims, strides, strides)
        work = count / (m.sum if run.dense else m.strided_sum)
        work += count / run.length * m.sum_run
    nbytes = spanned(source, builder) * builder.itemsize
    work = max(work, memory_seconds(nbytes, m))
    return Cost(m.call + work + size_of(step.shape) * m.sum_item, count, nbytes)


def _matmul(step: Matmul, builder: Builder) -> Cost:
    m = builder.machine
    left, right = (builder.shapes[r] for r in step.sources)
    rows, inner, columns = left[-2], left[-1], right[-1]
    batch = prod(step.shape[:-2])
    flops = batch * rows * inner * columns
    sideways = turned_bytes(step.sources[1], builder) > 0
    work = batch * product_seconds(rows, inner, columns, m, sideways)
    moved = (size_of(left) + size_of(right) + size_of(step.shape)) * builder.itemsize
    seconds = max(work, memory_seconds(moved, m))
    made = size_of(step.shape) * builder.itemsize
    overhead = m.call + m.gemm_item * batch + _written_out(step, builder)
    if m.turned and rows * inner * columns > SMALL and 1 not in (rows, columns):
        overhead += sum(turned_bytes(r, builder) for r in step.sources) / m.turned
    return Cost(seconds + overhead + fresh(made, m), flops, moved)


def _written_out(step: Matmul, builder: Builder) -> float:
    """Seconds to copy operands whose batch axes are not one."""
    if not builder.machine.stored:
        return 0.0
    seconds = 0.0
    for shape in written_out(step, builder):
        nbytes = size_of(shape) * builder.itemsize
        seconds += copy_seconds(nbytes, Run(max(1, shape[-1]), True), builder)
    return seconds


def _gram(step: Gram, builder: Builder) -> Cost:
    m, size = builder.machine, builder.itemsize
    (source,) = (builder.shapes[r] for r in step.sources)
    made = size_of(step.shape) * size
    moved = size_of(source) * size + 2 * made
    batch, rows, inner = prod(step.shape[:-2]), source[-2], source[-1]
    seconds, flops = triangle_seconds(batch, rows, inner, m)
    if m.turned and m.mirror_call:  # each block is a product by a side that is turned
        seconds += flops * len(row_blocks(rows)) / max(1, rows) * size / m.turned
    return Cost(max(seconds, memory_seconds(moved, m)) + fresh(made, m), flops, moved)


def _add(step: Add, builder: Builder) -> Cost:
    nbytes = size_of(step.shape) * builder.itemsize
    seconds = builder.machine.call + nbytes / builder.machine.add
    return Cost(seconds, size_of(step.shape), 3 * nbytes)


def _stack(step: Stack, builder: Builder) -> Cost:
    m = builder.machine
    nbytes = size_of(step.shape) * builder.itemsize
    split = step.dims[step.lead :]
    into = [row_major(written(step))[d] for d in inverse(step)[step.lead :]]
    run = inner_run(split, row_major(split), into)
    calls = m.call + len(step.sources) * (m.call + m.view)
    return Cost(calls + copy_seconds(nbytes, run, builder), 0, 2 * nbytes)


def _constant(step: Constant, builder: Builder) -> Cost:
    # Built once, but it stays in memory: priced as if written on every call.
    nbytes = size_of(step.shape) * builder.itemsize
    return Cost(nbytes / builder.machine.copy, 0, nbytes)


def _gather(step: Gather, builder: Builder) -> Cost:
    m = builder.machine
    nbytes = size_of(step.shape) * builder.itemsize
    longest = max((piece.length for piece in step.map.pieces), default=1)
    run = max(1, longest * prod(step.shape[step.axis + 1 :]))
    calls = len(step.map.pieces) + 1
    seconds = calls * m.call + copy_seconds(nbytes, Run(run, True), builder)
    return Cost(seconds, 0, 2 * nbytes)


def _native(step: Native, builder: Builder) -> Cost:
    m = builder.machine
    c = step.convolution
    left, right = (builder.shapes[r] for r in step.sources)
    if c.role == "forward":
        flops = left[0] * size_of(right) * prod(step.shape[2:])
    elif c.role == "transposed":
        flops = left[0] * size_of(right) * prod(left[2:])
    else:
        flops = left[0] * prod(right[2:]) * size_of(step.shape)
    moved = (size_of(left) + size_of(right) + size_of(step.shape)) * builder.itemsize
    work = _native_seconds(step, left, right, 2 * flops, m)
    made = native_faults((left, right), step.shape, builder.itemsize, m)
    return Cost(max(work, moved / m.copy) + made, flops, moved)


def native_faults(
    sources: Sequence[Shape], result: Shape, itemsize: int, m: Machine
) -> float:
    """Seconds of a native call for fresh memory: operands are packed into memory of the
    library's own, and its result is made in such memory before it is written out."""
    return sum(fresh(size_of(a) * itemsize, m) for a in (*sources, result, result))


def _native_seconds(
    step: Native, left: Shape, right: Shape, flops: int, m: Machine
) -> float:
    c = step.convolution
    made = step.shape[0 if c.role == "weight" else 1] // c.groups
    channels = (left[1] // c.groups, made)
    kind = kind_of(c.groups, *channels)
    maps = {"forward": step.shape, "transposed": left, "weight": right}
    rate = m.native[c.role, kind]
    # the zeros that a stride leaves between outputs cost a little of what they are
    share = (
        rate.share(len(c.kernel), max(c.dilation) > 1) / prod(c.stride) ** rate.stride
    )
    taps, space = prod(c.kernel), maps[c.role][2:]
    elements = size_of(left) + size_of(right), size_of(step.shape)
    return rate.seconds(flops / share, channels, taps, prod(space), space[-1], elements)


def kind_of(groups: int, read: int, made: int) -> str:
    """The kind of a native convolution, by groups and channels in each."""
    if groups == 1:
        return "dense"
    if read == 1:
        return "depthwise" if made == 1 else "multiplier"
    return "grouped"


def _scale(step: Scale, builder: Builder) -> Cost:
    m, nbytes = builder.machine, size_of(step.shape) * builder.itemsize
    return Cost(m.call + nbytes / m.add + fresh(nbytes, m), 0, 2 * nbytes)


def _conjugate(step: Conjugate, builder: Builder) -> Cost:
    return Cost(builder.machine.call)


def _loop(step: Loop, builder: Builder) -> Cost:
    return Cost()  # a loop is priced by whoever cuts the blocks


_PRICES: dict[type[Step], Callable[..., Cost]] = {
    View: _view,
    Pad: _pad,
    AddInto: _add_into,
    Sum: _sum,
    Matmul: _matmul,
    Gram: _gram,
    MultiplySum: multiply_sum_cost,
    Add: _add,
    Stack: _stack,
    Constant: _constant,
    Gather: _gather,
    Native: _native,
    Spectral: spectral_cost,
    CumulativeSum: cumulative_cost,
    Scale: _scale,
    Conjugate: _conjugate,
    Loop: _loop,
}
