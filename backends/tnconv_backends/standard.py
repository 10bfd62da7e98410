"""The universal gather and scatter on nothing but the Array API standard.

``view`` reads an array through affine maps with slices, reshapes, permutations and,
where windows overlap, stacked slices; diagonals are flattened to one axis first.
``add_into`` is its transpose. Neither needs strides, in-place writes, or an index
array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from tnconv.execution.program import AddInto, AxisMap, View
from tnconv_backends.scatter import (
    Term,
    extent,
    nests,
    ordered,
    shared_axes,
    terms_of,
)

Array = Any


def view(xp: Any, x: Array, step: View) -> Array:
    """Read ``x`` through the maps of ``step``."""
    dims = step.dims
    if not prod(dims):
        return _zeros(xp, step.shape, x)
    x, maps = _flatten_shared(xp, x, step.maps, dims)
    names: list[int] = []
    for axis in maps:  # each turn reads the first axis and appends its dimensions
        x = xp.moveaxis(x, 0, -1)
        offset, terms, flips = _upward(axis, dims)
        x = _spread(xp, x, offset, terms)
        x = _flip(xp, x, [t.dim for t in terms], flips)
        names += [t.dim for t in terms]
    x = xp.permute_dims(x, tuple(names.index(d) for d in sorted(names)))
    kept = tuple(dims[d] if d in names else 1 for d in range(len(dims)))
    x = xp.reshape(x, kept)
    if kept != tuple(dims):
        x = xp.broadcast_to(x, tuple(dims))
    return xp.reshape(x, step.shape)


def _flatten_shared(
    xp: Any, x: Array, maps: Sequence[AxisMap], dims: Sequence[int]
) -> tuple[Array, list[AxisMap]]:
    """Fuse axes that share a dimension: a diagonal is a slice of the flat axis."""
    groups = shared_axes(maps, dims)
    order = [j for group in groups for j in group]
    x = xp.permute_dims(x, tuple(order))
    shape, fused = [], []
    at = 0
    for group in groups:
        sizes = x.shape[at : at + len(group)]
        at += len(group)
        shape.append(prod(sizes))
        fused.append(fuse_maps([maps[j] for j in group], sizes))
    return xp.reshape(x, tuple(shape)), fused


def fuse_maps(maps: Sequence[AxisMap], sizes: Sequence[int]) -> AxisMap:
    """The map along the flattened axis of several adjacent ones."""
    offset, steps, weight = 0, [0] * len(maps[0].steps), 1
    for axis, size in zip(reversed(maps), reversed(sizes), strict=True):
        offset += axis.offset * weight
        for d, by in enumerate(axis.steps):
            steps[d] += by * weight
        weight *= size
    return AxisMap(offset, tuple(steps))


def _upward(axis: AxisMap, dims: Sequence[int]) -> tuple[int, list[Term], set[int]]:
    """Offset and terms with steps made positive; the dimensions turned around."""
    offset, flips, terms = axis.offset, set(), []
    for term in terms_of(axis, dims):
        if term.step < 0:
            offset += term.step * (term.size - 1)
            flips.add(term.dim)
        terms.append(Term(term.dim, abs(term.step), term.size))
    return offset, ordered(terms), flips


def _flip(xp: Any, x: Array, last: Sequence[int], flips: set[int]) -> Array:
    axes = tuple(x.ndim - len(last) + j for j, d in enumerate(last) if d in flips)
    return xp.flip(x, axis=axes) if axes else x


def _spread(xp: Any, x: Array, offset: int, terms: Sequence[Term]) -> Array:
    """Turn the last axis into one axis per term, in their order."""
    if not terms:
        return x[..., offset]
    if len(terms) == 1:
        (only,) = terms
        return x[..., offset : offset + extent(terms) : only.step]
    first, rest = terms[0], list(terms[1:])
    if nests(terms):
        x = _fit(xp, x, offset, first.step * first.size)
        x = xp.reshape(x, (*x.shape[:-1], first.size, first.step))
        return _spread(xp, x, 0, rest)
    least = min(terms, key=lambda t: t.size)
    others = [t for t in terms if t is not least]
    parts = [_spread(xp, x, offset + least.step * v, others) for v in range(least.size)]
    at = x.ndim - 1 + list(terms).index(least)
    return xp.stack(parts, axis=at)


def _fit(xp: Any, x: Array, offset: int, size: int) -> Array:
    """``size`` positions of the last axis from ``offset``, zeros past the end."""
    x = x[..., offset : min(offset + size, x.shape[-1])]
    missing = size - x.shape[-1]
    if missing <= 0:
        return x
    return xp.concat([x, _zeros(xp, (*x.shape[:-1], missing), x)], axis=-1)


def add_into(xp: Any, x: Array, step: AddInto) -> Array:
    """The transpose of :func:`view`: add ``x`` into zeros through the maps."""
    dims = x.shape
    if not prod(dims):
        return _zeros(xp, step.shape, x)
    groups = shared_axes(step.maps, dims)
    fused = [
        fuse_maps([step.maps[j] for j in g], [step.shape[j] for j in g]) for g in groups
    ]
    used = {t.dim for axis in fused for t in terms_of(axis, dims)}
    idle = tuple(d for d in range(len(dims)) if d not in used)
    x = xp.sum(x, axis=idle, dtype=x.dtype) if idle else x
    names = [d for d in range(len(dims)) if d in used]
    for group, axis in zip(groups, fused, strict=True):
        offset, terms, flips = _upward(axis, dims)
        last = [names.index(t.dim) for t in terms]
        front = [j for j in range(x.ndim) if j not in last]
        x = xp.permute_dims(x, (*front, *last))
        x = _flip(xp, x, [t.dim for t in terms], flips)
        names = [names[j] for j in front if j < len(names)]
        x = _gather_up(xp, x, offset, terms, prod(step.shape[j] for j in group))
    return _unflatten(xp, x, groups, step.shape)


def _gather_up(
    xp: Any, x: Array, offset: int, terms: Sequence[Term], size: int
) -> Array:
    """Turn the last ``len(terms)`` axes into one axis of ``size`` positions."""
    if not terms:
        return _place(xp, x[..., None], offset, size)
    if len(terms) == 1:
        return _place(xp, _apart(xp, x, terms[0].step), offset, size)
    first, rest = terms[0], list(terms[1:])
    if nests(terms):
        x = _gather_up(xp, x, 0, rest, first.step)
        x = xp.reshape(x, (*x.shape[:-2], first.size * first.step))
        return _place(xp, x[..., : extent(terms)], offset, size)
    least = min(terms, key=lambda t: t.size)
    others = [t for t in terms if t is not least]
    axis = x.ndim - len(terms) + list(terms).index(least)
    total = None
    for v in range(least.size):
        part = xp.take(x, xp.asarray([v], device=_device(x)), axis=axis)
        part = xp.squeeze(part, axis=axis)
        part = _gather_up(xp, part, offset + least.step * v, others, size)
        total = part if total is None else total + part
    return total


def _apart(xp: Any, x: Array, step: int) -> Array:
    """Put ``step - 1`` zeros between neighbors on the last axis."""
    if step == 1:
        return x
    gaps = _zeros(xp, (*x.shape, step - 1), x)
    x = xp.concat([x[..., None], gaps], axis=-1)
    x = xp.reshape(x, (*x.shape[:-2], x.shape[-2] * step))
    return x[..., : x.shape[-1] - step + 1]


def _place(xp: Any, x: Array, offset: int, size: int) -> Array:
    """Zeros of ``size`` on the last axis with ``x`` at ``offset``."""
    parts = [
        _zeros(xp, (*x.shape[:-1], offset), x),
        x,
        _zeros(xp, (*x.shape[:-1], size - offset - x.shape[-1]), x),
    ]
    parts = [part for part in parts if part.shape[-1]]
    return xp.concat(parts, axis=-1) if len(parts) > 1 else parts[0]


def _unflatten(
    xp: Any, x: Array, groups: list[list[int]], shape: tuple[int, ...]
) -> Array:
    order = [j for group in groups for j in group]
    x = xp.reshape(x, tuple(shape[j] for j in order))
    return xp.permute_dims(x, tuple(order.index(j) for j in range(len(shape))))


def _zeros(xp: Any, shape: tuple[int, ...], like: Array) -> Array:
    return xp.zeros(shape, dtype=like.dtype, device=_device(like))


def _device(x: Array) -> Any:
    from array_api_compat import device

    return device(x)


def aligner(
    xp: Any, own: Sequence[int], dims: Sequence[int], sizes: dict[int, int]
) -> Callable[[Array], Array]:
    """A function that gives an array the dimensions ``dims``, 1 where it has none."""
    order = sorted(range(len(own)), key=lambda j: own[j])
    shape = tuple(sizes[d] if d in own else 1 for d in dims)
    in_order = order == list(range(len(own)))

    def run(x: Array) -> Array:
        x = x if in_order else xp.permute_dims(x, tuple(order))
        return xp.reshape(x, shape)

    return run
