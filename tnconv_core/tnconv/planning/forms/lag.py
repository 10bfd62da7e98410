"""Twins around two patterns of stride 1 that share their output: products by lag.

On the padded line the entry of kernel positions (k, k') is a sum over the window that
starts at ``dilation*k``, of products of positions ``dilation*(k' - k)`` apart. Pairs of
one lag share these products; only the ends of their windows differ. So each lag needs
one product over what its windows have in common, and one over each strip at the ends;
k' < k is the transpose. No sum is ever taken back, and padding is never multiplied: a
number that is not finite reaches what reads it and nothing else.

Source: Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for
convolution layers*, ICML 2016, without its assumption that borders do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tnconv.execution.program import Add, AxisMap, Gram, Matmul, Pad, Stack, View
from tnconv.network import Pattern
from tnconv.pattern import IndexPattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.cost import Cost
from tnconv.planning.forms.contract import emit_gemm
from tnconv.planning.forms.half import symmetric
from tnconv.planning.forms.views import isolate, substitute
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.thresholds import lag_floor

#: positions from the first to before the second
Span = tuple[int, int]


def _patterns(site: Site) -> tuple[Pattern, Pattern] | None:
    """The pattern of the left value and that of the right one, where they are a pair of
    stride 1 whose windows all overlap."""
    twin = symmetric(site)
    patterns = [c for c in site.constraints if isinstance(c, Pattern)]
    if twin is None or len(patterns) != 2:
        return None
    left, right = sorted(patterns, key=lambda p: p.input not in twin)
    index = left.index
    carried = {a for value in site.values for a in value.labels}
    dead = {left.input, right.input, left.output}
    fits = (
        index == right.index
        and left.output == right.output
        and twin.get(left.input) == right.input != left.input
        and not dead & site.alive
        and {left.kernel, right.kernel} <= site.alive
        and len({left.kernel, right.kernel}) == 2
        and not {left.output, left.kernel, right.kernel} & carried
        and index.stride == 1
        and 0 <= index.dilation * (index.kernel - 1) < index.output
    )
    return (left, right) if fits else None


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    if _patterns(site) is not None and all(b.sizes[a] for a in site.values[0].labels):
        yield ()


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    patterns, twin = _patterns(site), symmetric(site)
    if patterns is None or twin is None:
        return _in_full(b, site)
    left, right = patterns
    line = _line(b, site, left, twin)
    count = left.index.kernel
    probe = b.cost
    b.charge(Cost(b.machine.call * count * (count + 1)))  # too dear: no need to write
    b.cost = probe
    upper = [_windows(b, line, left.index, lag) for lag in range(count)]
    blocks = []
    for k in range(count):
        lower = [_turned(b, upper[k - j][j]) for j in range(k)]
        blocks += lower + [upper[j][k] for j in range(count - k)]
    ahead = [a for group in line.ahead for a in group]
    rows = [twin[a] for a in line.rows]
    labels = [left.kernel, right.kernel, *ahead, *line.rows, *rows]
    return _placed(b, blocks, labels, site.order)


def _placed(
    b: Builder, blocks: list[int], labels: list[str], order: Iterable[str]
) -> Value:
    """The blocks of all pairs as one array: each is written once, where the result of
    the network has it if nothing follows."""
    wanted = [a for a in dict.fromkeys(order) if a in labels] or labels
    dims = tuple(b.sizes[a] for a in labels)
    places = tuple(labels.index(a) for a in wanted)
    shape = tuple(b.sizes[a] for a in wanted)
    register = b.add(Stack(tuple(blocks), shape, dims, 2, places))
    return b.plain(register, [[a] for a in wanted])


def _in_full(b: Builder, site: Site) -> Value:
    """Windows and their product: a block may cut one copy and not the other."""
    values = list(site.values)
    for pattern in site.constraints:
        assert isinstance(pattern, Pattern)
        at = next(j for j, v in enumerate(values) if pattern.input in v.labels)
        values[at] = substitute(b, values[at], pattern)
    pair = Site((values[0], values[1]), (), site.alive)
    return emit_gemm(b, pair, ((), False, False))


@dataclass(frozen=True, slots=True)
class _Line:
    """Matrices of ``rows`` by positions on the padded line, ``unit`` columns each."""

    register: int
    ahead: list[list[str]]
    rows: list[str]
    unit: int
    #: the positions that are not padding
    filled: Span


def _line(b: Builder, site: Site, pattern: Pattern, twin: dict[str, str]) -> _Line:
    """The left value, padded and copied once: batch, rows, (position, summed)."""
    index, value = pattern.index, isolate(b, site.values[0], pattern.input)
    position = f"{pattern.input}~"
    b.sizes[position] = index.extent
    terms = ((position, 1),)
    value = Value(
        value.register,
        tuple(a.substitute(pattern.input, terms, -index.padding) for a in value.axes),
    )
    value = b.reduce(value, _lone(site, twin) - {pattern.input})
    labels = [a for a in b.memory_order(value, value.labels) if a != position]
    batch = [a for a in labels if twin[a] == a and a in site.alive]
    inner = [a for a in labels if twin[a] == a and a not in site.alive]
    rows = [a for a in labels if twin[a] != a]
    ahead = [batch] if batch else []
    register = b.read(value, [*ahead, rows, [position, *inner]], own=True)
    filled = (index.padding, index.padding + index.input)
    return _Line(register, ahead, rows, b.size(inner), filled)


def _lone(site: Site, twin: dict[str, str]) -> set[str]:
    return {a for a, other in twin.items() if a != other and a not in site.alive}


def _windows(b: Builder, line: _Line, index: IndexPattern, lag: int) -> list[int]:
    """The result of every pair (k, k + lag), in the order of k."""
    step, count = index.dilation, index.kernel - lag
    low = max(line.filled[0], line.filled[0] - step * lag)
    high = min(line.filled[1], line.filled[1] - step * lag)
    core = (step * (count - 1), index.output)
    total = _product(b, line, core, (low, high), step * lag)
    left = [total]
    for k in reversed(range(count - 1)):
        strip = (step * k, step * (k + 1))
        left.append(
            _plus(b, left[-1], _product(b, line, strip, (low, high), step * lag))
        )
    found, right = [left.pop()], None
    for k in range(count - 1):
        strip = (index.output + step * k, index.output + step * (k + 1))
        right = _plus(b, right, _product(b, line, strip, (low, high), step * lag))
        found.append(_plus(b, left.pop(), right))
    return [_zeros(b, line) if r is None else r for r in found]


def _zeros(b: Builder, line: _Line) -> int:
    """The result of a pair that reads nothing but padding."""
    *ahead, rows, _ = b.shapes[line.register]
    shape = (*ahead, rows, rows)
    window = tuple((0, size) for size in shape)
    return b.add(Pad((line.register,), shape, window, ((0, 0),) * len(shape)))


def _plus(b: Builder, total: int | None, more: int | None) -> int | None:
    if total is None or more is None:
        return more if total is None else total
    return b.add(Add((total, more), b.shapes[total]))


def _product(b: Builder, line: _Line, span: Span, filled: Span, lag: int) -> int | None:
    """The sum over positions of a span, each times the one ``lag`` later."""
    start, stop = max(span[0], filled[0]), min(span[1], filled[1])
    if start >= stop:
        return None
    first = _cut(b, line, start, stop)
    *ahead, rows, _ = b.shapes[first]
    shape = (*ahead, rows, rows)
    if not lag:
        return b.add(Gram((first,), shape))
    second = _turned(b, _cut(b, line, start + lag, stop + lag))
    return b.add(Matmul((first, second), shape))


def _cut(b: Builder, line: _Line, start: int, stop: int) -> int:
    """Some positions, as a view."""
    *lead, whole = b.shapes[line.register]
    if (stop - start) * line.unit == whole:
        return line.register
    dims = (*lead, (stop - start) * line.unit)
    maps = [AxisMap(0, _along(j, len(dims))) for j in range(len(dims))]
    maps[-1] = replace(maps[-1], offset=start * line.unit)
    return b.add(View((line.register,), dims, tuple(maps), dims, False))


def _turned(b: Builder, register: int) -> int:
    """The matrices transposed, as a view."""
    *lead, rows, columns = b.shapes[register]
    dims = (*lead, columns, rows)
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    maps = tuple(AxisMap(0, _along(order[j], len(dims))) for j in range(len(dims)))
    return b.add(View((register,), dims, maps, dims, False))


def _along(dim: int, dims: int) -> tuple[int, ...]:
    return tuple(int(d == dim) for d in range(dims))


LAG = Form(
    "lag", 2, range(2, 3), _variants, _emit, lambda site, variant: "lags", lag_floor
)
