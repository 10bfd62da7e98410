"""Patterns as an array in a product: dense, marginal (a leg summed away) or mask.

The legs that the value lacks and nothing needs are summed while the constant is built,
so that a free leg never costs more than a matrix over the other two. Several patterns
that each have such a leg may be one array: the value is then read once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tnconv.execution.program import Constant
from tnconv.network import Pattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.contract import (
    emit_gemm,
    emit_multiply,
    gemm_variants,
    multiply_least,
)
from tnconv.planning.outline import constant_floor
from tnconv.planning.site import Constraint, Form, Site, Variant

LEGS = ("input", "output", "kernel")


def constant_value(
    b: Builder, constraints: Sequence[Constraint], labels: Iterable[str]
) -> Value:
    """The constraints as an array over those of their legs whose labels are given, in
    the order of these."""
    legs = {
        label: (number, leg)
        for number, constraint in enumerate(constraints)
        for leg, label in zip(LEGS, constraint.labels, strict=False)
    }
    kept = [label for label in dict.fromkeys(labels) if label in legs]
    records = tuple(c.index if isinstance(c, Pattern) else c.map for c in constraints)
    shape = tuple(b.sizes[label] for label in kept)
    step = Constant((), shape, records, tuple(legs[label] for label in kept))
    return b.plain(b.add(step), [[label] for label in kept])


def _pair(b: Builder, site: Site) -> Site:
    """The value and the array, whose legs follow the value's in memory."""
    (value,) = site.values
    order = b.memory_order(value, value.labels)
    order += [a for c in site.constraints for a in c.labels if a in site.alive]
    array = constant_value(b, site.constraints, order)
    return replace(site, values=(value, array), constraints=(), twins=False)


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    pair = _pair(b, site)
    if b.affords(multiply_least(b, pair)):
        yield ("multiply",)
    for variant in gemm_variants(b, pair):
        yield ("gemm", *variant)


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    pair = _pair(b, site)
    if variant[0] == "multiply":
        return emit_multiply(b, pair, ())
    return emit_gemm(b, pair, variant[1:])


def _describe(site: Site, variant: Variant) -> str:
    (value,), (constraint, *others) = site.values, site.constraints
    labels = {*value.labels, *site.alive}
    legs = [a for a in constraint.labels if a in labels]
    if others:
        return "marginals at once"
    if len(legs) == 3:
        return "dense"
    if constraint.labels[0] not in legs:
        return "mask" if set(legs) <= set(value.labels) else "marginal"
    return "marginal" if isinstance(constraint, Pattern) else "dense"


CONSTANT = Form("constant", 1, range(1, 4), _variants, _emit, _describe, constant_floor)
