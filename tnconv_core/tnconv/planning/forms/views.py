"""A pattern joined with one value by views alone: window, diagonal, fold, scatter.

Any two legs of a pattern fix the third, so nothing is multiplied. Where the value has
the input leg and nothing else needs it, the pattern is substituted into the value's
axes (a window, or a diagonal where the value has the output or kernel leg too). Where
the value lacks the input leg and it is needed, the value is added into slices (fold;
scatter where no two elements meet).
"""

from __future__ import annotations

from collections.abc import Iterable

from tnconv.axis import Axis
from tnconv.execution.program import Gather
from tnconv.network import Pattern, Reindex
from tnconv.planning.builder import Builder, Value
from tnconv.planning.outline import gather_floor, window_floor
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.thresholds import fold_floor


def substitute(b: Builder, value: Value, pattern: Pattern) -> Value:
    """Put ``stride*o + dilation*k - padding`` in the place of the input label."""
    index = pattern.index
    if not index.covers_input_range():
        value = isolate(b, value, pattern.input)
    terms = ((pattern.output, index.stride), (pattern.kernel, index.dilation))

    def axes() -> tuple[Axis, ...]:
        offset = -index.padding
        return tuple([a.substitute(pattern.input, terms, offset) for a in value.axes])

    return value.made((pattern.input, terms, index.padding), axes)


def isolate(b: Builder, value: Value, label: str) -> Value:
    """A value that reads as zero wherever ``label`` leaves its range."""
    if any(_exact(b, axis, label) for axis in value.axes):
        return value
    return materialize(b, value)


def materialize(b: Builder, value: Value) -> Value:
    """The value as a register with a dimension per label."""
    groups = [[a] for a in b.memory_order(value, value.labels)]
    return b.plain(b.read(value, groups, own=True), groups)


def _exact(b: Builder, axis: Axis, label: str) -> bool:
    step = axis.step(label)
    if not step:
        return False
    low, high = axis.reach({**b.sizes, label: 1})
    size = b.sizes[label]
    if step > 0:
        return high - step < axis.low and low + step * size >= axis.high
    return low - step >= axis.high and high + step * size < axis.low


def _window_variants(b: Builder, site: Site) -> Iterable[Variant]:
    (value,), (pattern,) = site.values, site.constraints
    if not isinstance(pattern, Pattern):
        return
    if pattern.input in value.labels and pattern.input not in site.alive:
        yield ()


def _emit_window(b: Builder, site: Site, variant: Variant) -> Value:
    (value,), (pattern,) = site.values, site.constraints
    assert isinstance(pattern, Pattern)
    moved = substitute(b, value, pattern)
    return b.reduce(moved, set(moved.labels) - site.alive)


def _describe_window(site: Site, variant: Variant) -> str:
    (value,), (pattern,) = site.values, site.constraints
    legs = set(pattern.labels) & set(value.labels)
    dead = set(pattern.labels[1:]) - site.alive
    if len(legs) == 1:
        return "window sums" if dead else "window"
    return "diagonal sums" if dead else "diagonal"


def hull(pattern: Pattern) -> Axis:
    """The input leg as an axis that holds every position reached, in range or not."""
    index = pattern.index
    terms = ((pattern.output, index.stride), (pattern.kernel, index.dilation))
    return Axis(max(1, index.extent), terms)


def _fold_variants(b: Builder, site: Site) -> Iterable[Variant]:
    (value,), (pattern,) = site.values, site.constraints
    if not isinstance(pattern, Pattern) or pattern.input in value.labels:
        return
    if pattern.input in site.alive:
        yield ()


def _emit_fold(b: Builder, site: Site, variant: Variant) -> Value:
    (value,), (pattern,) = site.values, site.constraints
    assert isinstance(pattern, Pattern)
    index = pattern.index
    legs = pattern.labels
    kept = [a for a in b.memory_order(value, value.labels) if a in site.alive]
    kept += [a for a in legs[1:] if a in site.alive and a not in kept]
    plain = tuple(Axis(b.sizes[a], ((a, 1),)) for a in kept)
    fixed = any(a in site.alive for a in legs[1:])
    injective = fixed or index.is_injective()
    register = b.add_into(value, (*plain, hull(pattern)), injective=injective)
    read = Axis(max(1, index.extent), ((pattern.input, 1),), index.padding)
    return Value(register, (*plain, read))


def _describe_fold(site: Site, variant: Variant) -> str:
    (pattern,) = site.constraints
    assert isinstance(pattern, Pattern)
    injective = pattern.index.is_injective()
    kept = any(a in site.alive for a in pattern.labels[1:])
    return "scatter" if injective or kept else "fold"


def _gather_variants(b: Builder, site: Site) -> Iterable[Variant]:
    (value,), (reindex,) = site.values, site.constraints
    if not isinstance(reindex, Reindex):
        return
    have = {leg: leg in value.labels for leg in reindex.labels}
    need = {leg: leg in site.alive for leg in reindex.labels}
    read, written = reindex.input, reindex.output
    if have[read] and not have[written] and need[written] and not need[read]:
        yield ("gather",)
    if have[written] and not have[read] and need[read] and not need[written]:
        yield ("add",)


def _emit_gather(b: Builder, site: Site, variant: Variant) -> Value:
    (value,), (reindex,) = site.values, site.constraints
    assert isinstance(reindex, Reindex)
    back = variant == ("add",)
    old, new = reindex.labels if not back else reversed(reindex.labels)
    at = next((j for j, axis in enumerate(value.axes) if axis.step(old)), 0)
    plain = value.axes[at].is_plain(b.sizes)
    if not plain or any(axis.step(old) for axis in value.axes[at + 1 :]):
        value = materialize(b, value)
        at = next(j for j, axis in enumerate(value.axes) if axis.step(old))
    shape = list(b.shapes[value.register])
    shape[at] = b.sizes[new]
    step = Gather((value.register,), tuple(shape), at, reindex.map, back)
    axes = list(value.axes)
    axes[at] = Axis(shape[at], ((new, 1),))
    return Value(b.add(step), tuple(axes))


WINDOW = Form(
    "window",
    1,
    range(1, 2),
    _window_variants,
    _emit_window,
    _describe_window,
    window_floor,
)
FOLD = Form(
    "fold", 1, range(1, 2), _fold_variants, _emit_fold, _describe_fold, fold_floor
)
GATHER = Form(
    "gather",
    1,
    range(1, 2),
    _gather_variants,
    _emit_gather,
    lambda site, variant: "gather" if variant == ("gather",) else "add slices",
    gather_floor,
)
