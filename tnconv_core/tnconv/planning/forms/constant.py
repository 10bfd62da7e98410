"""A pattern as an array in a product: dense, marginal (a leg summed away) or mask.

The legs that the value lacks and nothing needs are summed while the constant is built,
so that a free leg never costs more than a matrix over the other two.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def constant_value(b: Builder, constraint: Constraint, labels: Iterable[str]) -> Value:
    """The constraint as an array over those of its legs whose labels are given."""
    wanted = set(labels)
    legs = [
        (leg, label)
        for leg, label in zip(LEGS, constraint.labels, strict=False)
        if label in wanted
    ]
    record = constraint.index if isinstance(constraint, Pattern) else constraint.map
    shape = tuple(b.sizes[label] for _, label in legs)
    step = Constant((), shape, record, tuple(leg for leg, _ in legs))
    return b.plain(b.add(step), [[label] for _, label in legs])


def _pair(b: Builder, site: Site) -> Site:
    (value,), (constraint,) = site.values, site.constraints
    array = constant_value(b, constraint, {*value.labels, *site.alive})
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
    (value,), (constraint,) = site.values, site.constraints
    labels = {*value.labels, *site.alive}
    legs = [a for a in constraint.labels if a in labels]
    if len(legs) == 3:
        return "dense"
    if constraint.labels[0] not in legs:
        return "mask" if set(legs) <= set(value.labels) else "marginal"
    return "marginal" if isinstance(constraint, Pattern) else "dense"


CONSTANT = Form("constant", 1, range(1, 2), _variants, _emit, _describe, constant_floor)
