"""A network's value by its definition: one term per assignment of all labels.

Slow and plain, and shares nothing with planning or execution: every assignment that the
patterns and padding modes allow is listed, then out[positions] += scale * product.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnconv.axis import Axis
from tnconv.network import Input, Network, Pattern, Reindex, SubNetwork

Array = NDArray[Any]
Table = dict[str, NDArray[np.int64]]


def evaluate(network: Network, arrays: Mapping[str, Array], dtype: Any) -> Array:
    """The result of the network, summed term by term in ``dtype``."""
    table = _assignments(network)
    count = len(next(iter(table.values()))) if table else 1
    terms = np.ones(count, dtype) * _scale(network, dtype)
    for op in network.operands:
        if isinstance(op, Input):
            values = arrays[op.name].conj() if op.conjugate else arrays[op.name]
        elif isinstance(op, SubNetwork):
            values = evaluate(op.network, arrays, dtype)
        else:
            continue
        places, known = _positions(op.axes, table, count)
        terms[~known] = 0
        terms[known] = terms[known] * values[tuple(p[known] for p in places)]
    out = np.zeros(network.shape, dtype)
    places, known = _positions(network.output, table, count)
    np.add.at(out, tuple(p[known] for p in places), terms[known])
    return out


def _scale(network: Network, dtype: Any) -> Any:
    whole = network.scale.denominator == 1
    return np.asarray(int(network.scale) if whole else float(network.scale), dtype)


def _positions(
    axes: tuple[Axis, ...], table: Table, count: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
    places, known = [], np.ones(count, bool)
    for axis in axes:
        place = np.full(count, axis.offset)
        for label, step in axis.terms:
            place = place + step * table[label]
        known &= (axis.low <= place) & (place < axis.high)
        places.append(place)
    return places, known


def _assignments(network: Network) -> Table:
    """Every assignment of all labels that satisfies the patterns and padding modes."""
    table: Table = {}
    for op in network.operands:
        rows: list[tuple[int, ...]]
        if isinstance(op, Pattern):
            rows = list(op.index.entries())
        elif isinstance(op, Reindex):
            rows = list(op.map.entries())
        else:
            continue
        columns = np.array(rows, np.int64).reshape(len(rows), len(op.labels)).T
        table = _join(table, dict(zip(op.labels, columns, strict=True)))
    for label, size in network.sizes.items():
        if label not in table:
            table = _join(table, {label: np.arange(size)})
    return table


def _join(left: Table, right: Table) -> Table:
    if not left:
        return right
    m, n = (len(next(iter(t.values()))) for t in (left, right))
    rows, others = np.divmod(np.arange(m * n), max(n, 1))
    fit = np.ones(m * n, bool)
    for label in left.keys() & right.keys():
        fit &= left[label][rows] == right[label][others]
    found = {label: column[rows[fit]] for label, column in left.items()}
    return found | {label: column[others[fit]] for label, column in right.items()}
