"""First factors of any network, taken off the weight one after another.

A factor with one bond to the rest is a cut through the weight: it becomes the leading
singular vectors of its legs, and the weight goes on with the bond in their place. Where
no factor has one bond only, as in a ring, the one with the fewest positions on its
bonds is taken off with all of them. The last factor is what is left of the weight. For
two factors this is the best answer (Eckart and Young), for a train TT-SVD (Oseledets,
SIAM J. Sci. Comput. 33, 2011), for a Tucker network the sequentially truncated HOSVD
(Vannieuwenhoven, Vandebril and Meerbergen, SIAM J. Sci. Comput. 34, 2012).

Where three or more factors share a bond (CP), each starts from the leading singular
vectors of its own legs, with normal values where there are too few of them.
"""

from __future__ import annotations

from typing import Any

from tnconv.factor.fit.held import Held, normal
from tnconv.factor.fit.layout import Layout, matrix
from tnconv.factor.fit.svd import cut, leading

Array = Any
Factors = dict[str, Array]


def start(held: Held, layout: Layout, weight: Array, seed: int) -> Factors:
    """Factors near the weight (an axis per label), by name."""
    if any(len(layout.holders(bond)) > 2 for bond in layout.bonds):
        return _vectors(held, layout, weight, seed)
    found: Factors = {}
    waiting, labels = dict(layout.factors), layout.output
    while len(waiting) > 1:
        name = min(waiting, key=lambda n: _order(layout, waiting, n))
        own = waiting.pop(name)
        kept = {a for others in waiting.values() for a in others}
        bonds = tuple(a for a in own if a in kept and a not in layout.group)
        rows = tuple(a for a in own if a not in bonds and a not in layout.group)
        rest = tuple(a for a in labels if a not in (*rows, *layout.group))
        flat = matrix(held.xp, weight, labels, layout.group, rows, rest)
        left, right = cut(held, flat, _count(layout, bonds), seed)
        found[name] = layout.shaped(name, left, (*layout.group, *rows, *bonds), held.xp)
        labels = (*layout.group, *bonds, *rest)
        weight = held.xp.reshape(right, layout.shape(labels))
    (name,) = waiting
    found[name] = layout.shaped(name, weight, labels, held.xp)
    return {name: found[name] for name in layout.factors}


def random_start(held: Held, layout: Layout, seed: int) -> Factors:
    """Normal factors."""
    shapes = {name: layout.shape(labels) for name, labels in layout.factors.items()}
    return {
        name: normal(held, shape, seed + 1000 * j)
        for j, (name, shape) in enumerate(shapes.items())
    }


def _order(layout: Layout, waiting: Factors, name: str) -> tuple[int, int]:
    """Few bonds first, then few positions on them."""
    kept = {a for other, labels in waiting.items() if other != name for a in labels}
    bonds = [a for a in waiting[name] if a in kept and a not in layout.group]
    return len(bonds), _count(layout, bonds)


def _vectors(held: Held, layout: Layout, weight: Array, seed: int) -> Factors:
    found = {}
    for at, (name, own) in enumerate(layout.factors.items()):
        legs = tuple(a for a in own if a in layout.output and a not in layout.group)
        bonds = tuple(a for a in own if a not in layout.output)
        rest = tuple(a for a in layout.output if a not in (*legs, *layout.group))
        flat = matrix(held.xp, weight, layout.output, layout.group, legs, rest)
        rank, rows = _count(layout, bonds), flat.shape[1]
        vectors = leading(held, flat, min(rank, rows), seed)
        if rank > rows:
            more = normal(held, (flat.shape[0], rows, rank - rows), seed + at)
            vectors = held.xp.concat([vectors, more / rows**0.5], axis=2)
        found[name] = layout.shaped(
            name, vectors, (*layout.group, *legs, *bonds), held.xp
        )
    return found


def _count(layout: Layout, labels: Any) -> int:
    count = 1
    for label in labels:
        count *= layout.sizes[label]
    return count
