"""A pattern with a leg that stands nowhere else: window sums by cumulative sums.

The free leg sums a window of ``T`` positions. Positions are cut into blocks as long as
the window (M. van Herk, Pattern Recognition Letters 13, 1992, for minima), so that a
window is the end of one block and the beginning of the next: a sum from the right and
one from the left, added. Each position is visited twice, however long the window. As
nothing is subtracted, a result holds the terms of its own window and no others: it is
as accurate as a plain sum, and an Inf or NaN stays where it is read.

Where the windows begin within fewer positions than ``T``, the blocks are as short as
that, and what lies between is in every window: it is summed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tnconv.axis import Axis
from tnconv.execution.program import Add, CumulativeSum
from tnconv.network import Pattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.operands import moved, spread
from tnconv.planning.forms.views import isolate
from tnconv.planning.site import Form, NotHereError, Site, Variant
from tnconv.planning.thresholds import cumulative_floor


@dataclass(frozen=True, slots=True)
class _Windows:
    """Sums over ``t < count`` at positions ``offset + start*v + step*t`` of a label.

    ``source`` is that label, with ``spacing - 1`` zeros between its positions; ``v``
    (``many`` values) is ``result``.
    """

    source: str
    spacing: int
    result: str
    many: int
    start: int
    step: int
    count: int
    offset: int

    @property
    def first(self) -> int:
        """How far the beginning of window ``v = 0`` is from the lowest beginning."""
        return max(0, -self.start) * (self.many - 1)

    @property
    def span(self) -> int:
        """Positions from the lowest beginning to the highest, in steps."""
        return abs(self.start) * (self.many - 1) // self.step + 1

    @property
    def block(self) -> int:
        """Steps in a block."""
        return min(self.span, self.count)


def _windows(b: Builder, site: Site) -> Iterator[tuple[str, _Windows]]:
    """The legs that can be summed in this way, each with its windows."""
    (value,), (pattern,) = site.values, site.constraints
    if not isinstance(pattern, Pattern) or not all(b.sizes[a] for a in pattern.labels):
        return
    for leg in ("output", "kernel", "input"):
        free = str(getattr(pattern, leg))
        if free in value.labels or free in site.alive:
            continue
        found = _over(pattern, leg, set(value.labels))
        if found and found.source not in site.alive and found.block > 1:
            yield leg, found


def _over(pattern: Pattern, free: str, have: set[str]) -> _Windows | None:
    """Solve ``i = stride*o + dilation*k - padding`` for the leg that the value has."""
    p, (i, o, k) = pattern.index, pattern.labels
    legs = {"output": (o, p.output, p.stride), "kernel": (k, p.kernel, p.dilation)}
    if i in have:
        other, many, start = legs["kernel" if free == "output" else "output"]
        _, count, step = legs[free]
        return _Windows(i, 1, other, many, start, step, count, -p.padding)
    if (o in have) == (k in have):
        return None
    source, _, spacing = legs["output" if o in have else "kernel"]
    other, size, step = legs["kernel" if o in have else "output"]
    if free == "input":
        return _Windows(source, spacing, other, size, -step, 1, p.input, p.padding)
    low = p.padding - step * (size - 1)
    return _Windows(source, spacing, i, p.input, 1, step, size, low)


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    if b.machine.cumulative:
        for leg, _ in _windows(b, site):
            yield (leg,)


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    w = dict(_windows(b, site)).get(str(variant[0]))
    if w is None:  # a block may be cut so small that it has no windows to sum
        raise NotHereError(f"no windows over the {variant[0]} leg")
    value = isolate(b, site.values[0], w.source)
    value, label = spread(b, value, w.source, w.spacing)
    cut = _Cut.of(b, value, label, w)
    ends, begins = cut.ends(b), cut.begins(b)
    last = cut.length - 1 - w.first
    kept = [a for a in cut.others if a != w.result] + [w.result]
    both = [
        b.read(cut.flat(b, register, Axis(cut.length, ((w.result, move),), at)),
               [[a] for a in kept])
        for register, move, at in ((ends, -w.start, last), (begins, w.start, w.first))
    ]  # fmt: skip
    total = b.add(Add((both[0], both[1]), tuple(b.sizes[a] for a in kept)))
    result = b.plain(total, [[a] for a in kept])
    return b.reduce(result, set(kept) - site.alive)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A value whose positions ``base + (block, place, residue)`` are in blocks."""

    value: Value
    label: str
    windows: _Windows
    others: list[str]
    base: int
    blocks: int

    @classmethod
    def of(cls, b: Builder, value: Value, label: str, w: _Windows) -> _Cut:
        """The blocks of a value; their labels get sizes."""
        others = [a for a in b.memory_order(value, value.labels) if a != label]
        blocks = -(-w.span // w.block)
        cut = cls(value, label, w, others, w.offset - w.first, blocks)
        sizes = (blocks, w.block, w.step, w.block - 1, w.count - w.block)
        b.sizes.update(zip(cut.names, sizes, strict=True))
        return cut

    @property
    def names(self) -> list[str]:
        """Labels: block, place in it, residue of the step; place but one; between."""
        parts = ("block", "place", "residue", "begin", "between")
        return [f"{self.label}~{part}" for part in parts]

    @property
    def length(self) -> int:
        """Positions of all blocks."""
        return self.blocks * self.windows.block * self.windows.step

    def ends(self, b: Builder) -> int:
        """From each position to the end of its block, and on to what is in every
        window; positions run backwards."""
        w, (block, place, residue, _, between) = self.windows, self.names
        wide = w.block * w.step
        back = ((block, -wide), (place, -w.step), (residue, -1))
        value = moved(self.value, self.label, back, self.base + self.length - 1)
        sums = self._summed(b, value, place, own=True)
        if not b.sizes[between]:
            return sums
        # summed forwards, and then reversed: not every library has backward views
        rest = ((between, w.step), (residue, 1))
        value = moved(self.value, self.label, rest, self.base + self.length)
        core = b.reduce(value, {between})
        core = moved(core, residue, ((residue, -1),), w.step - 1)
        register = b.read(core, self._groups(place))
        return b.add(Add((sums, register), b.shapes[sums]))

    def begins(self, b: Builder) -> int:
        """From the beginning of the block ``count`` steps ahead to each position."""
        w, (block, _, residue, place, _) = self.windows, self.names
        terms = ((block, w.block * w.step), (place, w.step), (residue, 1))
        at = self.base + w.count * w.step
        return self._summed(b, moved(self.value, self.label, terms, at), place)

    def _summed(self, b: Builder, value: Value, place: str, own: bool = False) -> int:
        source = b.read(value, self._groups(place), own=own)
        shape, axis = list(b.shapes[source]), len(self.others) + 1
        shape[axis] = self.windows.block
        zero = b.sizes[place] < self.windows.block
        return b.add(CumulativeSum((source,), tuple(shape), axis, zero))

    def _groups(self, place: str) -> list[list[str]]:
        block, _, residue, *_ = self.names
        return [[a] for a in (*self.others, block, place, residue)]

    def flat(self, b: Builder, register: int, axis: Axis) -> Value:
        """Sums over blocks, read along one axis of all positions."""
        parts = self.names[:3]
        value = b.plain(register, [[a] for a in (*self.others, *parts)])
        found = b.read(value, [*([a] for a in self.others), parts])
        plain = [Axis(b.sizes[a], ((a, 1),)) for a in self.others]
        return Value(found, (*plain, axis))


def _describe(site: Site, variant: Variant) -> str:
    return f"cumulative sums ({variant[0]} positions)"


CUMULATIVE = Form(
    "cumulative", 1, range(1, 2), _variants, _emit, _describe, cumulative_floor
)
