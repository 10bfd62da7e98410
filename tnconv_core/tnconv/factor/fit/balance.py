"""The gauge of factors: what one of them gains along a bond, another loses.

Every position of a bond is scaled so that the slices of all factors that carry it have
one norm. The weight stays as it is; factors of one size train with one learning rate
and lose least when rounded to few bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tnconv.factor.fit.layout import Layout

Array = Any

#: passes over the bonds; with one bond the first is exact
PASSES = 8


def balanced(layout: Layout, factors: Mapping[str, Array], xp: Any) -> dict[str, Array]:
    """The same weight from factors of equal norm along every bond.

    A position of a bond that is zero in one factor becomes zero in all.
    """
    found = dict(factors)
    for _ in range(PASSES if len(layout.bonds) > 1 else 1):
        for bond in layout.bonds:
            found |= _along(layout, found, bond, xp)
    return found


def _along(
    layout: Layout, factors: Mapping[str, Array], bond: str, xp: Any
) -> dict[str, Array]:
    names = layout.holders(bond)
    norms = {name: _norms(layout, factors, name, bond, xp) for name in names}
    mean = _product(list(norms.values())) ** (1 / len(names))
    scaled = {}
    for name in names:
        safe = xp.where(mean > 0, norms[name], xp.ones_like(mean))
        by = xp.where(mean > 0, mean / safe, xp.zeros_like(mean))
        shape = tuple(
            layout.sizes[a] if a in (*layout.group, bond) else 1
            for a in layout.factors[name]
        )
        labels = tuple(a for a in layout.factors[name] if a in (*layout.group, bond))
        if labels != (*layout.group, bond):
            order = tuple((*layout.group, bond).index(a) for a in labels)
            by = xp.permute_dims(by, order)
        scaled[name] = factors[name] * xp.reshape(by, shape)
    return scaled


def _product(arrays: list[Array]) -> Array:
    product = arrays[0]
    for array in arrays[1:]:
        product = product * array
    return product


def _norms(
    layout: Layout, factors: Mapping[str, Array], name: str, bond: str, xp: Any
) -> Array:
    """The norm of every slice, (group, bond)."""
    kept, labels = (*layout.group, bond), layout.factors[name]
    order = [labels.index(a) for a in (*kept, *(b for b in labels if b not in kept))]
    moved = xp.permute_dims(factors[name], tuple(order))
    flat = xp.reshape(moved, (*layout.shape(kept), -1))
    return xp.sqrt(xp.sum(flat * flat, axis=-1))


def degeneracy(
    layout: Layout, factors: Mapping[str, Array], square: float, xp: Any
) -> float | None:
    """The squared norms of all rank-1 terms over that of the weight, for a CP kernel.

    It is 1 where the terms are orthogonal, and None where the factors do not share one
    bond.
    """
    if len(layout.bonds) != 1 or len(layout.factors) < 3:
        return None
    (bond,) = layout.bonds
    product = _product([_norms(layout, factors, n, bond, xp) for n in layout.factors])
    return float(xp.sum(product * product)) / square
