"""The product of a value with its twin: symmetric, so one triangle is enough.

Both values are copies of one another, so one of them is read. Labels that both carry
are a batch (alive) or summed; every other label has a twin, and rows and columns follow
one order. Offered where the machine says that a triangle can be worth its mirror.
"""

from __future__ import annotations

from collections.abc import Iterable

from tnconv.execution.program import Gram, Sum
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.contract import emit_gemm
from tnconv.planning.site import Form, Site, Variant, lone, split_labels
from tnconv.planning.thresholds import half_floor


def symmetric(site: Site) -> dict[str, str] | None:
    """Each label of the left value with its twin, where exchanging the values changes
    nothing but names; None elsewhere."""
    if not site.twins:
        return None
    left, right = site.values
    twin = dict(zip(left.labels, right.labels, strict=True))
    for mine, other in twin.items():
        if mine == other:
            continue
        if mine in right.labels or other in left.labels:
            return None
        if (mine in site.alive) != (other in site.alive):
            return None
    return twin


def half_variants(b: Builder, site: Site) -> Iterable[Variant]:
    """(loop label or "", ordered): the outermost label of memory may stay a batch, and
    rows may stand as in the result instead of as in memory."""
    if not b.machine.mirror or symmetric(site) is None:
        return
    left, right = site.values
    shared, summed, rows, _ = split_labels(left.labels, right.labels, site.alive)
    if not rows & site.alive:
        return
    loops = [""]
    order = b.memory_order(left, set(left.labels) - shared)
    outer = next((a for a in order if b.sizes[a] > 1), None)
    if outer in summed and len(summed) > 1:
        loops.append(str(outer))
    for loop in loops:
        yield loop, False
        if site.order:
            yield loop, True


def emit_half(b: Builder, site: Site, variant: Variant) -> Value:
    """One triangle per batch item, and a sum over the loop label if there is one."""
    loop, ordered = str(variant[0]), bool(variant[1])
    twin = symmetric(site)
    if twin is None:  # not copies after all: the product in full says the same
        return emit_gemm(b, site, ((loop,) if loop else (), False, False))
    left, right = site.values
    shared, summed, _, _ = split_labels(left.labels, right.labels, site.alive)
    value = b.reduce(left, lone(left, right, site.alive))
    inner = [a for a in b.memory_order(value, summed) if a != loop]
    batch = b.memory_order(value, shared)
    rows = b.memory_order(value, set(value.labels) - shared - summed)
    if ordered:
        batch.sort(key=site.order.index)
        rows.sort(key=site.order.index)
    ahead = [group for group in ([loop] if loop else [], batch) if group]
    source = b.matrix(value, ahead, rows, inner)
    columns = [twin[a] for a in rows]
    turned = ordered and site.order.index(rows[0]) > site.order.index(columns[0])
    groups = [*ahead, columns, rows] if turned else [*ahead, rows, columns]
    shape = tuple(b.size(group) for group in groups)
    result = b.add(Gram((source,), shape))
    if loop:
        result = b.add(Sum((result,), shape[1:], (0,)))
        groups = groups[1:]
    return b.plain(result, groups)


def _describe(site: Site, variant: Variant) -> str:
    looped = f" over {variant[0]}, then summed" if variant[0] else ""
    return f"triangle{looped}"


HALF = Form("half", 2, range(1), half_variants, emit_half, _describe, half_floor)
