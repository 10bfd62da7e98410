"""One call of the backend's own convolution, for any patterns that form one.

Labels that both values carry become groups (alive) or the summed channel; the others
rows and columns. So a per-example weight gradient is a call with the batch folded into
groups, and a pattern left out of the call is just another axis.
"""

from __future__ import annotations

from collections.abc import Iterable

from tnconv.axis import Axis
from tnconv.execution.program import Convolution, Native
from tnconv.pattern import IndexPattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.roles import Casting, cast_as, castings
from tnconv.planning.forms.views import isolate
from tnconv.planning.outline import native_floor
from tnconv.planning.site import Form, Site, Variant, lone, split_labels


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    if len(site.constraints) not in b.machine.native_dims:
        return
    labels = {a for value in site.values for a in value.labels}
    if not all(b.sizes[a] for a in labels | site.alive):
        return
    for role, sides, legs, _ in castings(site):
        yield role, sides, legs


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    cast = cast_as(site, *variant)  # type: ignore[arg-type]
    legs = {label for pattern in cast.patterns for label in pattern.labels}
    left = b.reduce(cast.left, lone(cast.left, cast.right, site.alive) - legs)
    right = b.reduce(cast.right, lone(cast.right, cast.left, site.alive) - legs)
    cast = Casting(cast.role, left, right, cast.patterns)
    return _EMIT[cast.role](b, cast, site.alive)


def _roles(
    b: Builder, cast: Casting, alive: frozenset[str]
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Shared, summed, left-only and right-only labels, pattern legs left out."""
    legs = {label for pattern in cast.patterns for label in pattern.labels}
    shared, summed, rows, columns = split_labels(
        cast.left.labels, cast.right.labels, alive
    )
    return (
        b.memory_order(cast.left, shared - legs),
        b.memory_order(cast.left, summed - legs),
        b.memory_order(cast.left, rows - legs),
        b.memory_order(cast.right, columns - legs),
    )


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


def _whole_input(b: Builder, cast: Casting) -> tuple[Value, list[str], tuple[int, ...]]:
    """The left value with each input leg as the convolution takes it, and paddings."""
    value, labels, paddings = cast.left, [], []
    for pattern in cast.patterns:
        padding = _symmetric(pattern.index)
        label = pattern.input
        if padding is None:
            value = isolate(b, value, label)
            label = f"{label}~"
            b.sizes[label] = pattern.index.extent
            terms = ((label, 1),)
            axes = tuple(
                axis.substitute(pattern.input, terms, -pattern.index.padding)
                for axis in value.axes
            )
            value = Value(value.register, axes)
        labels.append(label)
        paddings.append(padding or 0)
    return value, labels, tuple(paddings)


def _forward(b: Builder, cast: Casting, alive: frozenset[str]) -> Value:
    shared, summed, rows, columns = _roles(b, cast, alive)
    left, inputs, padding = _whole_input(b, cast)
    x = b.read(left, [rows, [*shared, *summed], *([i] for i in inputs)], own=True)
    kernels = [[k] for k in cast.legs(1)]
    w = b.read(cast.right, [[*shared, *columns], summed, *kernels], own=True)
    groups = [rows, [*shared, *columns], *([o] for o in cast.legs(2))]
    return _call(b, cast, (x, w), groups, b.size(shared), padding=padding)


def _weight(b: Builder, cast: Casting, alive: frozenset[str]) -> Value:
    shared, summed, rows, columns = _roles(b, cast, alive)
    left, inputs, padding = _whole_input(b, cast)
    x = b.read(left, [summed, [*shared, *rows], *([i] for i in inputs)], own=True)
    outputs = [[o] for o in cast.legs(1)]
    v = b.read(cast.right, [summed, [*shared, *columns], *outputs], own=True)
    groups = [[*shared, *columns], rows, *([k] for k in cast.legs(2))]
    return _call(b, cast, (x, v), groups, b.size(shared), padding=padding)


def _transposed(b: Builder, cast: Casting, alive: frozenset[str]) -> Value:
    shared, summed, rows, columns = _roles(b, cast, alive)
    x = b.read(
        cast.left, [rows, [*shared, *summed], *([o] for o in cast.legs(0))], own=True
    )
    kernels = [[k] for k in cast.legs(1)]
    w = b.read(cast.right, [[*shared, *summed], columns, *kernels], own=True)
    paddings, extra, ends = [], [], []
    for pattern in cast.patterns:
        padding, more = _output_padding(pattern.index)
        paddings.append(padding)
        extra.append(more)
        size = pattern.index.extent - 2 * padding + more
        ends.append((pattern, size, pattern.index.padding - padding))
    count = b.size(shared)
    shape = (b.size(rows), count * b.size(columns), *(size for _, size, _ in ends))
    convolution = _convolution(
        cast, count, padding=tuple(paddings), output_padding=tuple(extra)
    )
    register = b.add(Native((x, w), shape, convolution))
    axes = [
        Axis.of(shape[0], *rows, sizes=b.sizes),
        Axis.of(shape[1], *shared, *columns, sizes=b.sizes),
    ]
    axes += [Axis(size, ((p.input, 1),), off) for p, size, off in ends]
    return Value(register, tuple(axes))


def _output_padding(index: IndexPattern) -> tuple[int, int]:
    """Padding and output padding that give the input size, or zeros: then crop."""
    more = index.input - (index.extent - 2 * index.padding)
    if index.padding >= 0 and 0 <= more < index.stride:
        return index.padding, more
    return 0, 0


def _call(
    b: Builder,
    cast: Casting,
    sources: tuple[int, int],
    groups: list[list[str]],
    count: int,
    padding: tuple[int, ...],
) -> Value:
    convolution = _convolution(cast, count, padding=padding)
    shape = tuple(b.size(group) for group in groups)
    return b.plain(b.add(Native(sources, shape, convolution)), groups)


_EMIT = {"forward": _forward, "weight": _weight, "transposed": _transposed}

NATIVE = Form(
    "native",
    2,
    range(1, 4),
    _variants,
    _emit,
    lambda site, variant: f"native convolution ({variant[0]})",
    native_floor,
)
