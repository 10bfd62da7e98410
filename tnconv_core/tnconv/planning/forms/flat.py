"""A convolution of stride 1 over several dimensions, along one line of memory.

In a padded array of rows of length L, the position a step down is L places further on;
so the output positions of a map, row after row, are one run of ``p = L*o0 + o1``, and
a kernel position is one offset. The few results between the rows belong to no output
and are never read. What this buys is long inner loops: runs of a whole map instead of
a row. In the weight role, where ``p`` is summed, the cotangent is zero between rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod

from tnconv.axis import Axis
from tnconv.execution.program import View
from tnconv.network import Pattern
from tnconv.planning.builder import Builder, Value, axis_maps
from tnconv.planning.forms.contract import emit_gemm, emit_multiply, gemm_variants
from tnconv.planning.forms.roles import Casting, cast_as, castings
from tnconv.planning.forms.views import substitute
from tnconv.planning.site import Form, NotHereError, Site, Variant
from tnconv.planning.thresholds import flat_floor

#: patterns from the outermost axis in, and the distance of a step along each
Line = list[tuple[Pattern, int]]


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    for role, sides, legs, cast in castings(site):
        if legs or role == "transposed" or not _unit(b, cast):
            continue
        if (pair := _pair(b, site, cast)) is None:
            continue
        yield role, sides, "multiply"
        for variant in gemm_variants(b, pair[0]):
            yield role, sides, "gemm", *variant


def _unit(b: Builder, cast: Casting) -> bool:
    """Whether all strides are 1, and nothing is empty."""
    full = all(b.sizes[a] for v in (cast.left, cast.right) for a in v.labels)
    return full and all(pattern.index.stride == 1 for pattern in cast.patterns)


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    role, sides, kind, *rest = variant
    found = _pair(b, site, cast_as(site, str(role), bool(sides), False))
    if found is None:
        raise NotHereError
    pair, line = found
    if kind == "multiply":
        value = emit_multiply(b, pair, ())
    else:
        value = emit_gemm(b, pair, tuple(rest))
    terms = tuple((pattern.output, by) for pattern, by in line)
    run = _run(line)
    axes = tuple(axis.substitute(run, terms, 0) for axis in value.axes)
    return Value(value.register, axes)


def _pair(b: Builder, site: Site, cast: Casting) -> tuple[Site, Line] | None:
    """The two values over the run; None where the input is not laid out for it."""
    left = cast.left
    for pattern in cast.patterns:
        left = substitute(b, left, pattern)
    left = b.padded(left)
    places = [_place(left, pattern) for pattern in cast.patterns]
    ordered = sorted(zip(places, cast.patterns, strict=True), key=lambda item: item[0])
    places.sort()
    if places[0] < 0 or any(after - at != 1 for at, after in pairwise(places)):
        return None
    first, last = places[0], places[-1]
    spans = b.shapes[left.register][first : last + 1]
    patterns = [pattern for _, pattern in ordered]
    line = [(p, prod(spans[j + 1 :])) for j, p in enumerate(patterns)]
    b.sizes[_run(line)] = 1 + sum(by * (p.index.output - 1) for p, by in line)
    left = _joined(b, left, first, line)
    alive = _alive(cast, site, line)
    right = cast.right
    if cast.role == "weight":
        right = _spaced(b, right, line, spans)
    return Site((left, right), (), alive, site.final), line


def _run(line: Line) -> str:
    """The label of the run."""
    return "".join([pattern.output for pattern, _ in line]) + "~"


def _alive(cast: Casting, site: Site, line: Line) -> frozenset[str]:
    legs = {label for pattern in cast.patterns for label in pattern.labels}
    if cast.role == "weight":
        return site.alive
    return (site.alive - legs) | {_run(line)}


def _place(value: Value, pattern: Pattern) -> int:
    """The axis that holds the input leg of a pattern and nothing else; -1: none."""
    mine = {pattern.output, pattern.kernel}
    for at, axis in enumerate(value.axes):
        have = set(axis.labels)
        if have & mine:
            return at if have == mine and axis.step(pattern.output) == 1 else -1
    return -1


def _joined(b: Builder, value: Value, first: int, line: Line) -> Value:
    """The axes of the patterns as one, addressed by the run and the kernel legs."""
    after = first + len(line)
    offset, terms = 0, [(_run(line), 1)]
    for axis, (pattern, by) in zip(value.axes[first:after], line, strict=True):
        offset += axis.offset * by
        terms.append((pattern.kernel, pattern.index.dilation * by))
    register = _fused(b, value.register, first, after)
    size = b.shapes[register][first]
    joint = Axis(size, tuple(terms), offset)
    return Value(register, (*value.axes[:first], joint, *value.axes[after:]))


def _fused(b: Builder, register: int, first: int, after: int) -> int:
    """The same memory with some axes as one."""
    shape = b.shapes[register]
    axes = [Axis(size, ((str(j), 1),)) for j, size in enumerate(shape)]
    maps = axis_maps(axes, [str(j) for j in range(len(shape))])
    fused = (*shape[:first], prod(shape[first:after]), *shape[after:])
    return b.add(View((register,), fused, maps, shape, False))


def _spaced(b: Builder, value: Value, line: Line, spans: Sequence[int]) -> Value:
    """The cotangent along the run, with zeros between its rows."""
    outputs = [pattern.output for pattern, _ in line]
    others = [a for a in b.memory_order(value, value.labels) if a not in outputs]
    register = b.read(value, [[a] for a in (*others, *outputs)])
    axes = [Axis(b.sizes[a], ((a, 1),)) for a in (*others, outputs[0])]
    for label, size in zip(outputs[1:], spans[1:], strict=True):
        b.sizes[f"{label}~"] = size
        axes.append(Axis(b.sizes[label], ((f"{label}~", 1),)))
    spaced = b.padded(Value(register, tuple(axes)))
    first = len(others)
    joint = _fused(b, spaced.register, first, first + len(line))
    run = Axis(b.shapes[joint][first], ((_run(line), 1),))
    return Value(joint, (*spaced.axes[:first], run))


def _describe(site: Site, variant: Variant) -> str:
    inner = "multiply and sum" if variant[2] == "multiply" else "matrix product"
    return f"one run of positions ({variant[0]}, {inner})"


FLAT = Form("flat", 2, range(2, 5), _variants, _emit, _describe, flat_floor)
