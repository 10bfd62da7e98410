"""The unfoldings of a weight that ranks are chosen by."""

from __future__ import annotations

from typing import Any

from tnconv.factor.fit.held import Held
from tnconv.factor.fit.layout import Labels, Layout, matrix
from tnconv.factor.fit.svd import singular_values
from tnconv.factor.question import Spectrum

Array = Any


def cuts(held: Held, layout: Layout, weight: Array) -> dict[str, Spectrum]:
    """Bond -> the singular values of the cut through the weight there.

    A bond has a cut where taking it away leaves the factors in two parts.
    """
    found = {}
    for bond in layout.bonds:
        parts = _parts(layout, bond)
        if len(parts) == 2 and len(layout.holders(bond)) == 2:
            found[bond] = spectrum(held, layout, weight, parts[0])
    return found


def sides(
    held: Held, layout: Layout, weight: Array
) -> tuple[tuple[Spectrum, tuple[int, ...]], ...]:
    """The unfolding of every factor's own legs, and which bonds the factor has."""
    found = []
    for labels in layout.factors.values():
        legs = tuple(a for a in labels if a in layout.output and a not in layout.group)
        places = tuple(j for j, bond in enumerate(layout.bonds) if bond in labels)
        found.append((spectrum(held, layout, weight, legs), places))
    return tuple(found)


def spectrum(held: Held, layout: Layout, weight: Array, rows: Labels) -> Spectrum:
    """The singular values of one unfolding, in every group."""
    xp, group = held.xp, layout.group
    columns = tuple(a for a in layout.output if a not in (*rows, *group))
    flat = matrix(xp, weight, layout.output, group, rows, columns)
    values = singular_values(held, flat)
    shapes = zip(_live(xp, flat, 2), _live(xp, flat, 1), strict=True)
    found = tuple(tuple(float(v) for v in values[j, :]) for j in range(flat.shape[0]))
    return Spectrum(found, tuple(shapes))


def _live(xp: Any, flat: Array, axis: int) -> list[int]:
    """How many rows (axis 2) or columns (axis 1) of each matrix are not all zero."""
    counts = xp.sum(xp.astype(xp.any(flat != 0, axis=axis), xp.int64), axis=1)
    return [int(counts[j]) for j in range(flat.shape[0])]


def _parts(layout: Layout, bond: str) -> list[Labels]:
    """The legs of the parts that are left without a bond."""
    parts: list[set[str]] = []
    for labels in layout.factors.values():
        own = set(labels) - {bond, *layout.group}
        for part in [part for part in parts if part & own]:
            parts.remove(part)
            own |= part
        parts.append(own)
    return [tuple(a for a in layout.output if a in part) for part in parts]
