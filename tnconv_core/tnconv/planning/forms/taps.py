"""Looping over kernel positions: one pair of slices per offset, added up.

Slicing the kernel leg turns every pattern into a strided slice, so nothing is unfolded:
products are added (forward), added into slices (transposed), or stacked (weight).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

from tnconv.axis import Axis
from tnconv.execution.placing import along
from tnconv.execution.program import Add
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.contract import (
    elementwise_seconds,
    emit_gemm,
    emit_multiply,
    gemm_seconds,
    gemm_variants,
    looped_over,
)
from tnconv.planning.forms.roles import Casting, cast_as, castings
from tnconv.planning.forms.views import hull, substitute
from tnconv.planning.outline import taps_floor
from tnconv.planning.site import Form, Site, Variant


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    for role, sides, legs, cast in castings(site):
        if legs or not all(b.sizes[k] for k in _kernels(cast)):
            continue
        if b.affords(_least(b, cast, site.alive, "multiply")):
            yield role, sides, "multiply"
        if not b.affords(_least(b, cast, site.alive, "gemm")):
            continue
        inner = Site((cast.left, cast.right), (), _inner_alive(cast, site.alive))
        for loop, *variant in gemm_variants(b, inner):
            if b.affords(_least(b, cast, site.alive, "gemm", looped_over((loop,)))):
                yield role, sides, "gemm", loop, *variant


def _kernels(cast: Casting) -> list[str]:
    return [pattern.kernel for pattern in cast.patterns]


def _inner_alive(cast: Casting, alive: frozenset[str]) -> frozenset[str]:
    """What one product must keep: the output leg where it is scattered afterwards."""
    legs = {label for p in cast.patterns for label in p.labels}
    if cast.role == "weight":
        return alive - legs
    return (alive - legs) | {p.output for p in cast.patterns}


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    role, sides, kind, *rest = variant
    cast = cast_as(site, str(role), bool(sides), False)
    loop = looped_over(tuple(rest)) if rest else ()
    b.expect(_least(b, cast, site.alive, str(kind), loop))
    left = cast.left
    if role != "transposed":
        for pattern in cast.patterns:
            left = substitute(b, left, pattern)
        left = b.padded(left)
    alive = _inner_alive(cast, site.alive)
    kernels = _kernels(cast)
    total: int | None = None
    parts: list[int] = []
    value = left
    for offsets in b.turns(list(product(*(range(b.sizes[k]) for k in kernels)))):
        at = dict(zip(kernels, offsets, strict=True))
        pair = Site((fix(left, at), fix(cast.right, at)), (), alive)
        if kind == "multiply":
            value = emit_multiply(b, pair, ())
        else:
            value = emit_gemm(b, pair, tuple(rest))
        if role == "transposed":
            total = _scatter(b, cast, value, at, total)
        elif role == "forward":
            total = _added(b, value, total)
        else:
            parts.append(value.register)
    if role == "weight":
        return _stacked(b, value, parts, kernels)
    assert total is not None
    if role == "transposed":
        return _cropped(b, cast, value, total)
    return Value(total, value.axes)


def _least(
    b: Builder,
    cast: Casting,
    alive: frozenset[str],
    kind: str,
    loop: tuple[str, ...] = (),
) -> float:
    """What all turns cost at least, each a call and a product."""
    inner, gone = _inner_alive(cast, alive), {p.kernel for p in cast.patterns}
    fixed = {p.input: p.output for p in cast.patterns}
    left, right = (
        [fixed.get(a, a) for a in value.labels if a not in gone]
        for value in (cast.left, cast.right)
    )
    turns = b.size(gone)
    if kind == "gemm":
        return turns * gemm_seconds(b, left, right, inner, loop)
    return turns * elementwise_seconds(b, left, right, inner)


def fix(value: Value, at: Mapping[str, int]) -> Value:
    """The slice of a value where some labels have fixed values."""

    def axes() -> tuple[Axis, ...]:
        found = value.axes
        for label, number in at.items():
            found = tuple([axis.substitute(label, (), number) for axis in found])
        return found

    return value.made(tuple(at.items()), axes)


def _added(b: Builder, value: Value, total: int | None) -> int:
    if total is None:
        return value.register
    return b.add(Add((total, value.register), b.shapes[total]))


def _others(cast: Casting, value: Value) -> list[str]:
    outputs = {p.output for p in cast.patterns}
    return [a for a in value.labels if a not in outputs]


def _scatter(
    b: Builder, cast: Casting, value: Value, at: Mapping[str, int], total: int | None
) -> int:
    plain = [Axis(b.sizes[a], ((a, 1),)) for a in _others(cast, value)]
    hulls = [hull(p).substitute(p.kernel, (), at[p.kernel]) for p in cast.patterns]
    return b.add_into(value, (*plain, *hulls), total, injective=True)


def _cropped(b: Builder, cast: Casting, value: Value, total: int) -> Value:
    plain = [Axis(b.sizes[a], ((a, 1),)) for a in _others(cast, value)]
    ends = [
        Axis(max(1, p.index.extent), ((p.input, 1),), p.index.padding)
        for p in cast.patterns
    ]
    return Value(total, (*plain, *ends))


def _stacked(b: Builder, value: Value, parts: list[int], kernels: list[str]) -> Value:
    count = b.size(kernels)
    shape = (count, *b.shapes[value.register])
    register = b.add(along(tuple(b.all_turns(parts, count)), shape))
    leading = Axis.of(count, *kernels, sizes=b.sizes)
    return Value(register, (leading, *value.axes))


def _describe(site: Site, variant: Variant) -> str:
    inner = "multiply and sum" if variant[2] == "multiply" else "matrix products"
    return f"taps ({variant[0]}, {inner})"


TAPS = Form("taps", 2, range(1, 5), _variants, _emit, _describe, taps_floor)
