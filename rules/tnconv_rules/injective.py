"""Injective patterns are views: ``i = stride*o + dilation*k - padding``.

Where windows do not overlap (stride > dilation * (K-1)), or kernel taps do not
(dilation > stride * (O-1)), every input position belongs to at most one ``(o, k)``.
The input label is then written as that sum on every axis that has it, and the pattern
is gone. One substitution serves every class; the classes are rules of their own so
that the trace says which one it was.

What all of them ask of the network, besides their class:

* No other pattern or padding mode has the input label, unless K or O is 1 and the other
  record can be narrowed to the positions that are left.
* Positions that ``(o, k)`` reach outside the input must read zero or be dropped: on one
  axis with the input label they lie outside the axis's bounds, whatever the values of
  its other labels. (Bounds are first tightened to what the label reaches.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, SubNetwork
from tnconv.pattern import IndexPattern
from tnconv.rewrite import Rule
from tnconv_rules.moves import substitute

Class = Callable[[IndexPattern], bool]


def eliminate_input(network: Network, at: int) -> Network | None:
    """Substitute the input label of an injective pattern and drop the pattern."""
    op = network.operands[at]
    assert isinstance(op, Pattern)
    index = op.index
    terms = ((op.output, index.stride), (op.kernel, index.dilation))
    terms = terms if terms[0][1] >= terms[1][1] else terms[::-1]  # outermost first
    bounded: Network | None = network
    if not index.covers_input_range():
        if not index.input:
            return None
        low, high = index.padding > 0, index.high_padding > 0
        bounded = guarded(network, op.input, low=low, high=high)
    if bounded is None:
        return None
    return substitute(bounded, {op.input: (terms, -index.padding)}, drop=(at,))


def guarded(network: Network, label: str, *, low: bool, high: bool) -> Network | None:
    """The network with bounds that make values of a label past its range add nothing.

    ``low`` and ``high`` say on which sides there will be such values; None where no
    axis can leave them out.
    """
    need = {side for side, is_needed in (("low", low), ("high", high)) if is_needed}
    operands: list[Operand] = []
    for op in network.operands:
        if need and isinstance(op, (Input, SubNetwork)) and label in op.labels:
            op = replace(op, axes=_guard_axes(op.axes, label, network.sizes, need))
        operands.append(op)
    output = _guard_axes(network.output, label, network.sizes, need)
    if need:
        return None
    return Network(tuple(operands), output, network.label_sizes, network.scale)


def _guard_axes(
    axes: tuple[Axis, ...], label: str, sizes: Mapping[str, int], need: set[str]
) -> tuple[Axis, ...]:
    """Axes with tight bounds where those help; what is met leaves ``need``."""
    new = []
    for axis in axes:
        if need and label in axis.labels:
            tight = _tightened(axis, sizes)
            met = need & set(_guarded_sides(tight, label, sizes))
            if met:
                need -= met
                axis = tight
        new.append(axis)
    return tuple(new)


def _tightened(axis: Axis, sizes: Mapping[str, int]) -> Axis:
    first, last = axis.reach(sizes)
    low = min(max(axis.low, first), axis.high)
    high = max(low, min(axis.high, last + 1))
    return replace(axis, low=low, high=high)


def _guarded_sides(axis: Axis, label: str, sizes: Mapping[str, int]) -> Iterator[str]:
    """On which sides of its range the label's values all leave the axis's bounds."""
    step = axis.step(label)
    others = replace(axis, terms=tuple(t for t in axis.terms if t[0] != label))
    first, last = others.reach(sizes)
    beyond = step * sizes[label]  # where the first value past the range stands
    if step > 0:
        low, high = last - step < axis.low, first + beyond >= axis.high
    else:
        low, high = first - step >= axis.high, last + beyond < axis.low
    if low:
        yield "low"
    if high:
        yield "high"


def _rule(name: str, belongs: Class, doc: str, written: bool | None = None) -> Rule:
    """The rule that eliminates a pattern of a class, the first that can be.

    ``written`` asks for the input label to be on the output, or not to be.
    """

    def apply(network: Network) -> Network | None:
        for at, op in enumerate(network.operands):
            if not isinstance(op, Pattern) or not belongs(op.index):
                continue
            if written not in (None, op.input in network.output_labels):
                continue
            smaller = eliminate_input(network, at)
            if smaller is not None:
                return smaller
        return None

    return Rule(name, "injective", apply, doc)


def _is_tiled(p: IndexPattern) -> bool:
    return p.stride == p.kernel and p.dilation == 1


def _reads_inside(p: IndexPattern) -> bool:
    return p.padding == 0 and p.high_padding <= 0


def _is_down_sampling(p: IndexPattern) -> bool:
    return p.stride > p.kernel and p.dilation == 1 and _reads_inside(p)


POINTWISE = _rule(
    "pointwise",
    lambda p: p.kernel == 1,
    "R5: K = 1, so i = stride*o - padding (dilation does not matter).",
)
FULLY_CONNECTED = _rule(
    "fully-connected",
    lambda p: p.output == 1,
    "R6: O = 1, so i = dilation*k - padding (stride does not matter).",
)
DENSE = _rule(
    "dense",
    lambda p: _is_tiled(p) and _reads_inside(p) and not p.high_padding,
    "A: K = stride, dilation 1, no padding, I = O*K: i is the composite (o k).",
)
DENSE_REMAINDER = _rule(
    "dense-remainder",
    lambda p: _is_tiled(p) and _reads_inside(p) and p.high_padding < 0,
    "R1: K = stride, dilation 1, no padding, I > O*K: the first O*K of i are (o k).",
)
DENSE_PADDED = _rule(
    "dense-padded",
    lambda p: _is_tiled(p) and not _reads_inside(p),
    "R2: K = stride, dilation 1, any padding or crop: i + padding is (o k).",
)
DILATED_DENSE = _rule(
    "dilated-dense",
    lambda p: _is_tiled(p.swap()),
    "R3: stride 1, O = dilation (A with o and k exchanged): i + padding is (k o).",
)
DOWN_SAMPLING = _rule(
    "down-sampling",
    _is_down_sampling,
    "B: stride > K, dilation 1, no padding, i not on the output: a strided read.",
    written=False,
)
ZERO_STUFFING = _rule(
    "zero-stuffing",
    _is_down_sampling,
    "R23: B where i is on the output: a strided write, zeros between.",
    written=True,
)
DISJOINT_WINDOWS = _rule(
    "non-overlapping",
    lambda p: p.windows_disjoint(),
    "R4: stride > dilation*(K-1), any padding: no two outputs share a position.",
)
DISJOINT_TAPS = _rule(
    "non-overlapping-taps",
    lambda p: p.taps_disjoint(),
    "R4 with o and k exchanged: dilation > stride*(O-1), any padding.",
)


RULES = (
    POINTWISE,
    FULLY_CONNECTED,
    DENSE,
    DENSE_REMAINDER,
    DENSE_PADDED,
    DILATED_DENSE,
    DOWN_SAMPLING,
    ZERO_STUFFING,
    DISJOINT_WINDOWS,
    DISJOINT_TAPS,
)
