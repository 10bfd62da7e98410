"""One call of the backend's own convolution, for any patterns that form one.

Labels that both values carry become groups (alive) or the summed channel; the others
rows and columns. So a per-example weight gradient is a call with the batch folded into
groups, and a pattern left out of the call is just another axis: part of the batch, or
one more axis of the map along which the kernel has one position. The latter leaves data
where they are (a kernel factorized by axes, one axis after the other).
"""

from __future__ import annotations

from collections.abc import Iterable

from tnconv.axis import Axis
from tnconv.execution.program import Convolution, Native
from tnconv.network import Pattern
from tnconv.pattern import IndexPattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.operands import (
    Channels,
    channels,
    is_filled,
    reduced,
    whole,
)
from tnconv.planning.forms.roles import ROLES, Casting, cast_as, castings
from tnconv.planning.site import Form, Site, Variant, split_labels
from tnconv.planning.thresholds import call_seconds, native_floor


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    if len(site.constraints) not in b.machine.native_dims or not is_filled(b, site):
        return
    for role, sides, legs, cast in castings(site):
        yield role, sides, legs
        # as a weight gradient's, channels that are summed would be a third axis
        exchanged = legs and role == "weight"
        if not exchanged and _beside(b, cast, site.alive):
            yield role, sides, legs, "beside"


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    cast = cast_as(site, *variant[:3])  # type: ignore[arg-type]
    b.expect(_least(b, cast, site.alive))
    cast = reduced(b, cast, site.alive)
    if len(variant) > 3:
        cast = _widened(b, cast, _beside(b, cast, site.alive))
    at = channels(b, cast, site.alive)
    if cast.role == "transposed":
        return _transposed(b, cast, at)
    return _direct(b, cast, at, site.alive)


def _least(b: Builder, cast: Casting, alive: frozenset[str]) -> float:
    """What the call costs at least."""
    legs = {label for pattern in cast.patterns for label in pattern.labels}
    found = split_labels(cast.left.labels, cast.right.labels, alive)
    shared, summed = (b.size(a - legs) for a in found[:2])
    rows, columns = (b.size(a & alive - legs) for a in found[2:])
    patterns = [pattern.index for pattern in cast.patterns]
    sides = shared, summed, rows, columns
    return call_seconds(b.machine, b.itemsize, cast.role, patterns, sides)


def _beside(b: Builder, cast: Casting, alive: frozenset[str]) -> list[str]:
    """Labels of the left value that may be axes of the map: faster in memory than a
    channel, and kept, or in the weight role summed with the right value; none where the
    backend has no convolution of so many axes, or sums what it must pad before."""
    taken = {label for pattern in cast.patterns for label in pattern.labels}
    order = [a for a in b.memory_order(cast.left, cast.left.labels) if a not in taken]
    shared, summed = set(cast.right.labels), cast.role == "weight"
    channel = [at for at, a in enumerate(order) if (a in shared) is not summed]
    found = order[channel[0] + 1 :] if channel else []
    found = [a for a in found if (a in alive, a in shared) == (not summed, summed)]
    fits = len(cast.patterns) + len(found) in b.machine.native_dims
    if summed and any(v.pad(b.sizes)[0] for v in (cast.left, cast.right)):
        return []
    return found if fits else []


def _widened(b: Builder, cast: Casting, beside: list[str]) -> Casting:
    """The cast with a pattern of one tap for every label beside the convolution."""
    patterns = list(cast.patterns)
    for label in beside:
        size, tap = b.sizes[label], f"{label}~"
        b.sizes[tap] = 1
        patterns.append(Pattern(IndexPattern(size, size, 1), label, label, tap))
    order = b.memory_order(cast.left, cast.left.labels)
    leg = ROLES[cast.role][0]
    patterns.sort(key=lambda pattern: order.index(getattr(pattern, leg)))
    return Casting(cast.role, cast.left, cast.right, tuple(patterns))


def _convolution(cast: Casting, groups: int, **fields: tuple[int, ...]) -> Convolution:
    index = [pattern.index for pattern in cast.patterns]
    zeros = (0,) * len(index)
    return Convolution(
        cast.role,
        tuple(p.stride for p in index),
        fields["padding"],
        tuple(p.dilation for p in index),
        groups,
        fields.get("output_padding", zeros),
        tuple(p.kernel for p in index),
    )


def _symmetric(index: IndexPattern) -> int | None:
    """The padding argument that reproduces this pattern, if one does."""
    span = index.input + 2 * index.padding - index.dilation * (index.kernel - 1) - 1
    fits = index.padding >= 0 and span >= 0 and span // index.stride + 1 == index.output
    return index.padding if fits else None


def _padded_input(
    b: Builder, cast: Casting
) -> tuple[Value, list[str], tuple[int, ...]]:
    """The left value with each input leg as the convolution takes it, and paddings."""
    value, labels, paddings = cast.left, [], []
    for pattern in cast.patterns:
        padding, label = _symmetric(pattern.index), pattern.input
        if padding is None:
            value, label = whole(b, value, pattern)
        labels.append(label)
        paddings.append(padding or 0)
    return value, labels, tuple(paddings)


def _direct(b: Builder, cast: Casting, at: Channels, alive: frozenset[str]) -> Value:
    """The convolution, or its weight gradient; the one tap of a label beside it, which
    is a dimension of the result, is no label of the value."""
    left, inputs, padding = _padded_input(b, cast)
    x = b.read(left, [*at.left, *([i] for i in inputs)], run=True)
    w = b.read(cast.right, [*at.right, *([a] for a in cast.legs(1))], run=True)
    groups = [*at.result, *([a] if a in alive else [] for a in cast.legs(2))]
    shape = tuple(b.size(group) for group in groups)
    convolution = _convolution(cast, b.size(at.groups), padding=padding)
    b.expect(0.0)
    return b.plain(b.add(Native((x, w), shape, convolution)), groups)


def _transposed(b: Builder, cast: Casting, at: Channels) -> Value:
    x = b.read(cast.left, [*at.left, *([o] for o in cast.legs(0))], run=True)
    w = b.read(cast.right, [*at.right, *([k] for k in cast.legs(1))], run=True)
    paddings, extra, ends = [], [], []
    for pattern in cast.patterns:
        padding, more = _output_padding(pattern.index)
        paddings.append(padding)
        extra.append(more)
        size = pattern.index.extent - 2 * padding + more
        ends.append((pattern, size, pattern.index.padding - padding))
    shape = (*map(b.size, at.result), *(size for _, size, _ in ends))
    convolution = _convolution(
        cast,
        b.size(at.groups),
        padding=tuple(paddings),
        output_padding=tuple(extra),
    )
    b.expect(0.0)
    register = b.add(Native((x, w), shape, convolution))
    axes = [
        Axis.of(size, *group, sizes=b.sizes)
        for size, group in zip(shape, at.result, strict=False)
    ]
    axes += [Axis(size, ((p.input, 1),), off) for p, size, off in ends]
    return Value(register, tuple(axes))


def _output_padding(index: IndexPattern) -> tuple[int, int]:
    """Padding and output padding that give the input size, or zeros: then crop."""
    more = index.input - (index.extent - 2 * index.padding)
    if index.padding >= 0 and 0 <= more < index.stride:
        return index.padding, more
    return 0, 0


NATIVE = Form(
    "native",
    2,
    range(1, 4),
    _variants,
    _emit,
    lambda site, variant: f"native convolution ({variant[0]})",
    native_floor,
)
