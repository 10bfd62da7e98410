"""Pairs without a pattern between them: batched matrix product, multiply and sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from math import prod

from tnconv.execution.program import Matmul, MultiplySum, Sum
from tnconv.planning.builder import Builder, Value
from tnconv.planning.outline import (
    matrix_floor,
    matrix_seconds,
    multiply_floor,
    multiply_seconds,
)
from tnconv.planning.site import Form, Site, Variant, lone, split_labels


def _reduced(b: Builder, site: Site) -> tuple[Value, Value]:
    left, right = site.values
    return (
        b.reduce(left, lone(left, right, site.alive)),
        b.reduce(right, lone(right, left, site.alive)),
    )


def gemm_variants(b: Builder, site: Site) -> Iterable[Variant]:
    """(loop labels, swapped, ordered): which labels are looped over as a batch, if any;
    whether rows and columns stand as in the result instead of as in memory.

    Labels at the outside of memory are often better left there, as a batch, than
    permuted inside: the outermost one, summed over afterwards where it is contracted,
    or all that lie outside of what is contracted. Operands smaller than the result are
    better permuted than the result.
    """
    left, right = site.values
    shared, summed, _, _ = split_labels(left.labels, right.labels, site.alive)
    loops: list[tuple[str, ...]] = [()]
    for value in site.values:
        order = b.memory_order(value, set(value.labels) - shared)
        loops += _loops([a for a in order if b.sizes[a] > 1], summed, site.alive)
    names = left.labels, right.labels, site.alive
    least = {a: gemm_seconds(b, *names, a) for a in dict.fromkeys(loops)}
    loops = [a for a, seconds in least.items() if b.affords(seconds)]
    swaps = (False, True) if site.final else (_second(b, site, summed),)
    found = [(loop, swap, False) for loop in loops for swap in swaps]
    if site.order:
        swap = _rows_second(site)
        found += [(a, swap, True) for a in loops if not _is_ordered(b, site, a, swap)]
    for variant in found:  # a better one may have been found meanwhile
        if b.affords(least[looped_over(variant)]):
            yield variant


def _loops(
    order: Sequence[str], summed: set[str], alive: frozenset[str]
) -> Iterator[tuple[str, ...]]:
    """The outermost label of an operand, and the run of labels outside of what is
    contracted, where rows are left inside of it."""
    if order and (order[0] in summed or (order[0] in alive and len(order) > 1)):
        yield (order[0],)
    outside = tuple(takewhile(alive.__contains__, order))
    if len(outside) > 1 and alive.intersection(order[len(outside) :]):
        yield outside


def looped_over(variant: Variant) -> tuple[str, ...]:
    """The labels that a variant loops over."""
    loop: tuple[str, ...] = variant[0]  # type: ignore[assignment]
    return loop


def _is_ordered(b: Builder, site: Site, loop: tuple[str, ...], swap: bool) -> bool:
    """Whether rows and columns stand as in the result as they come from memory."""
    left, right = reversed(site.values) if swap else site.values
    if lone(left, right, site.alive) or lone(right, left, site.alive):
        return False
    shared, _, rows, columns = split_labels(left.labels, right.labels, site.alive)
    larger = left if b.size(left.labels) >= b.size(right.labels) else right
    looped = set(loop)
    groups = (larger, shared), (left, rows - looped), (right, columns - looped)
    orders = [b.memory_order(value, group) for value, group in groups]
    return all(order == sorted(order, key=site.order.index) for order in orders)


def _rows_second(site: Site) -> bool:
    """Whether the second value carries the label that comes first in the result."""
    left, right = (set(value.labels) for value in site.values)
    first = next((a for a in site.order if (a in left) != (a in right)), None)
    return first in right


def _second(b: Builder, site: Site, summed: set[str]) -> bool:
    """Whether the first value should be the second of the product: the larger one is,
    unless BLAS would have to turn it."""
    left, right = site.values
    first = b.size(left.labels) > b.size(right.labels)
    larger = left if first else right
    wide = [a for a in b.memory_order(larger, larger.labels) if b.sizes[a] > 1]
    return first != (bool(b.machine.turned) and bool(wide) and wide[-1] in summed)


def gemm_seconds(
    b: Builder,
    left: Iterable[str],
    right: Iterable[str],
    alive: frozenset[str],
    loop: tuple[str, ...] = (),
) -> float:
    """What the product over these labels costs at least."""
    mine, theirs, sizes = set(left), set(right), b.sizes
    batch = rows = inner = columns = 1
    for label in mine:
        size = sizes[label]
        if label in loop:
            batch *= size
        elif label not in theirs:
            rows *= size if label in alive else 1
        elif label in alive:
            batch *= size
        else:
            inner *= size
    for label in theirs - mine:
        if label in loop:
            batch *= sizes[label]
        elif label in alive:
            columns *= sizes[label]
    # an operand without the loop labels is read once
    first = prod([sizes[a] for a in loop if a not in mine])
    second = prod([sizes[a] for a in loop if a not in theirs])
    area = rows * inner / first + columns * inner / second + rows * columns
    nbytes = int(batch * area) * b.itemsize
    return matrix_seconds(b.machine, nbytes, batch, rows, inner, columns)


def emit_gemm(b: Builder, site: Site, variant: Variant) -> Value:
    """One batched matrix product, and a sum over the loop label if it is contracted."""
    loop = looped_over(variant)
    swap, ordered, looped = bool(variant[1]), bool(variant[2]), set(loop)
    left, right = reversed(site.values) if swap else site.values
    b.expect(gemm_seconds(b, left.labels, right.labels, site.alive, loop))
    shared, summed, rows, columns = split_labels(left.labels, right.labels, site.alive)
    rows, columns = rows & site.alive, columns & site.alive
    left, right = reversed(_reduced(b, site)) if swap else _reduced(b, site)
    larger = left if b.size(left.labels) >= b.size(right.labels) else right
    inner = [a for a in b.memory_order(larger, summed) if a not in looped]
    batch, row, column = (
        sorted(group, key=site.order.index) if ordered else b.memory_order(value, group)
        for value, group in (
            (larger, shared),
            (left, rows - looped),
            (right, columns - looped),
        )
    )
    ahead = [list(loop), batch] if loop and batch else [list(loop) or batch]
    first = _present(ahead, left)
    second = _present(ahead, right)
    if not any(ahead):
        ahead = first = second = []
    a = b.matrix(left, first, row, inner)
    c = b.matrix(right, second, inner, column)
    groups = [*ahead, row, column]
    shape = tuple([b.size(group) for group in groups])
    b.expect(0.0)
    result = b.add(Matmul((a, c), shape))
    if looped & summed:
        result = b.add(Sum((result,), shape[1:], (0,)))
        groups = groups[1:]
    return b.plain(result, groups)


def _present(groups: list[list[str]], value: Value) -> list[list[str]]:
    return [[a for a in group if a in value.labels] for group in groups]


def multiply_variants(b: Builder, site: Site) -> Iterable[Variant]:
    """Always possible; the order of dimensions follows the larger operand."""
    return [()]


def multiply_least(b: Builder, site: Site) -> float:
    """What an elementwise product costs at least."""
    labels = [value.labels for value in site.values]
    return elementwise_seconds(b, labels[0], labels[1], site.alive)


def elementwise_seconds(
    b: Builder, left: Iterable[str], right: Iterable[str], alive: frozenset[str]
) -> float:
    """The same, of a product over these labels."""
    mine, theirs = set(left), set(right)
    kept, summed = (mine | theirs) & alive, mine & theirs - alive
    if b.machine.matrices and summed and (mine ^ theirs) & alive:
        return gemm_seconds(b, left, right, alive)
    longest = [
        max([b.sizes[a] for a in labels], default=1) for labels in (kept, summed)
    ]
    count = b.size(summed) if summed else 0
    return multiply_seconds(b.machine, b.size(kept), count, (longest[0], longest[1]))


def emit_multiply(b: Builder, site: Site, variant: Variant) -> Value:
    """Multiply element by element over strided views, and sum."""
    b.expect(multiply_least(b, site))
    left, right = _reduced(b, site)
    larger, other = (
        (left, right) if b.size(left.labels) >= b.size(right.labels) else (right, left)
    )
    order = b.memory_order(larger, larger.labels)
    order += [a for a in b.memory_order(other, other.labels) if a not in order]
    number = {label: j for j, label in enumerate(order)}
    dims, registers = [], []
    for value in (left, right):
        labels = [a for a in order if a in value.labels]
        registers.append(b.read(value, [[a] for a in labels]))
        dims.append(tuple(number[a] for a in labels))
    kept = [a for a in order if a in site.alive]
    shape = tuple(b.sizes[a] for a in kept)
    out = tuple(number[a] for a in kept)
    b.expect(0.0)
    step = MultiplySum((registers[0], registers[1]), shape, dims[0], dims[1], out)
    return b.plain(b.add(step), [[a] for a in kept])


def _describe_gemm(site: Site, variant: Variant) -> str:
    loop = looped_over(variant)
    if not loop:
        return "matrix product"
    summed = site.alive.isdisjoint(loop)
    return f"matrix products over {' '.join(loop)}" + (
        ", then summed" if summed else ""
    )


GEMM = Form("gemm", 2, range(1), gemm_variants, emit_gemm, _describe_gemm, matrix_floor)
MULTIPLY = Form(
    "multiply",
    2,
    range(1),
    multiply_variants,
    emit_multiply,
    lambda site, variant: "multiply and sum",
    multiply_floor,
)
