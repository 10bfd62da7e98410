"""Trees of factors: two neighbors at a time, all others orthonormal towards them.

A bond between two factors is a cut through the weight. Where every other factor is
orthonormal towards it, the weight in their coordinates is a matrix, and its truncated
SVD gives the best two factors for the others: no equations are solved, and no step
makes a fit worse. For Tucker kernels this is higher-order orthogonal iteration (De
Lathauwer, De Moor and Vandewalle, SIAM J. Matrix Anal. Appl. 21, 2000), for trains the
sweep over two sites (Holtz, Rohwedder and Schneider, SIAM J. Sci. Comput. 34, 2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from tnconv.factor.fit.alternate import ROUNDING, Settings, Target
from tnconv.factor.fit.layout import Labels, Layout, matrix, run, times
from tnconv.factor.fit.svd import cut, triangle

Array = Any
Factors = dict[str, Array]

WEIGHT = "(weight)"
#: distances are differences of squares: below it, relative to the target, is rounding
LEAST = 1e-14


def in_pairs(layout: Layout) -> bool:
    """Whether factors are one tree, each leg on one of them, those of groups on all."""
    legs = [a for a in layout.output if a not in layout.group]
    bonds = [layout.holders(bond) for bond in layout.bonds]
    reached = set(list(layout.factors)[:1])
    for _ in bonds:
        reached.update(*(ends for ends in bonds if reached & set(ends)))
    joined = reached == set(layout.factors) and len(bonds) == len(layout.factors) - 1
    return joined and all(len(layout.holders(a)) == 1 for a in legs) and layout.is_tree


def improve(
    target: Target, factors: Mapping[str, Array], settings: Settings
) -> Factors:
    """Better factors of a tree, from a start; distances are those of the weight."""
    layout, found = target.layout, dict(factors)
    whole, last = target.squared(target.values), target.distance(factors)
    for _ in range(settings.sweeps if last > ROUNDING * whole else 0):
        kept = 0.0
        for bond in layout.bonds:
            found, kept = _pair(target, found, bond)
        distance = whole - kept
        if last - distance <= settings.tolerance * distance + LEAST * whole:
            break
        last = distance
    return found


def _pair(target: Target, factors: Factors, bond: str) -> tuple[Factors, float]:
    """Factors of which the two on a bond are the best, and their squared norm."""
    layout, xp = target.layout, target.held.xp
    ends = sorted(layout.holders(bond), key=lambda name: prod(factors[name].shape))
    around: Factors = {}
    for name, other in (ends, ends[::-1]):
        for outer, neighbor in _neighbors(layout, name, other):
            around |= _towards(target, factors, neighbor, name, outer)[0]
    apart = (*layout.group, bond)
    rows, columns = (
        tuple(a for a in layout.factors[name] if a not in apart) for name in ends
    )
    flat = _within(target, around, rows, columns)
    left, right = cut(target.held, flat, layout.sizes[bond])
    first = layout.shaped(ends[0], left, (*layout.group, *rows, bond), xp)
    second = layout.shaped(ends[1], right, (*layout.group, bond, *columns), xp)
    return {**around, ends[0]: first, ends[1]: second}, float(xp.sum(right * right))


def _within(target: Target, around: Factors, rows: Labels, columns: Labels) -> Array:
    """The weight in the coordinates of orthonormal factors, as a matrix."""
    layout = target.layout
    operands = [layout.operand(name, layout.factors[name]) for name in around]
    seen = (*layout.group, *rows, *columns)
    network = layout.network([layout.operand(WEIGHT, layout.output), *operands], seen)
    values = run(network, {WEIGHT: target.values, **around})
    return matrix(target.held.xp, values, seen, layout.group, rows, columns)


def _towards(
    target: Target, factors: Factors, name: str, other: str, bond: str
) -> tuple[Factors, Array]:
    """A factor and all beyond it, orthonormal towards another one.

    With the matrix (groups, bond, bond) by which that one would have to be multiplied.
    """
    layout, xp = target.layout, target.held.xp
    values, labels = factors[name], layout.factors[name]
    found: Factors = {}
    for outer, neighbor in _neighbors(layout, name, other):
        more, rest = _towards(target, factors, neighbor, name, outer)
        found |= more
        turned = xp.permute_dims(rest, (0, 2, 1))
        values = times(xp, layout, values, labels, (outer,), turned)
    rows = tuple(a for a in labels if a not in (*layout.group, bond))
    flat = matrix(xp, values, labels, layout.group, rows, (bond,))
    basis, rest = triangle(xp, flat)
    found[name] = layout.shaped(name, basis, (*layout.group, *rows, bond), xp)
    return found, rest


def _neighbors(layout: Layout, name: str, other: str) -> list[tuple[str, str]]:
    """The bonds of a factor, less that to another one, with who is there."""
    return [
        (bond, holder)
        for bond in layout.factors[name]
        if bond in layout.bonds
        for holder in layout.holders(bond)
        if holder not in (name, other)
    ]
