"""The value of a network straight from its definition: slow, and independent.

Every assignment of values to labels that satisfies the patterns and reindexings is
listed, one row each; the operands are read at each row's positions, multiplied, and
added into the result. No part of simplification, planning or execution is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tnconv.axis import Axis
from tnconv.network import Input, Network, Pattern, Reindex, SubNetwork

Rows = dict[str, Any]  # label -> its value in every row


def evaluate(network: Network, arrays: Mapping[str, Any]) -> Any:
    """The result as a NumPy array: integers exactly, everything else in double.

    ``arrays`` maps input names to arrays or nested lists.

    >>> from tnconv.notation import parse
    >>> net = parse("i, i ~ o + k, k -> o", shapes=[(4,), (2,)])
    >>> evaluate(net, {"x0": [1, 2, 3, 4], "x1": [1, 10]}).tolist()
    [21, 32, 43]
    """
    import numpy as np

    count, rows = _assignments(network)
    term = np.ones(count, dtype=np.int64)
    for op in network.operands:
        if isinstance(op, Input):
            array = np.asarray(arrays[op.name])
            if array.shape != op.shape:
                raise ValueError(f"{op.name} has shape {array.shape}, not {op.shape}")
            array = np.conj(array) if op.conjugate else array
            term = term * _read(array, op.axes, rows)
        elif isinstance(op, SubNetwork):
            term = term * _read(evaluate(op.network, arrays), op.axes, rows)
    result = np.zeros(network.shape, dtype=term.dtype)
    inside, positions = _positions(network.output, rows, count)
    values = term[inside]
    flat = np.zeros(values.shape, dtype=np.int64) + _flat(positions, network.shape)
    np.add.at(result.reshape(-1), flat, values)
    scale = network.scale
    if scale.denominator == 1:
        return result * scale.numerator
    return result * scale.numerator / scale.denominator


def _assignments(network: Network) -> tuple[int, Rows]:
    """All assignments that satisfy every pattern and reindexing, and their number."""
    count, rows = 1, Rows()
    sizes = network.sizes
    for op in network.operands:
        if isinstance(op, Pattern):
            for leg in (op.output, op.kernel):
                count, rows = _cross(count, rows, leg, sizes[leg])
            index = op.index
            reads = index.stride * rows[op.output] + index.dilation * rows[op.kernel]
            count, rows = _settle(rows, op.input, reads - index.padding, index.input)
        elif isinstance(op, Reindex):
            import numpy as np

            count, rows = _cross(count, rows, op.output, sizes[op.output])
            copied = np.asarray(op.map.positions(), dtype=np.int64)[rows[op.output]]
            count, rows = _settle(rows, op.input, copied, op.map.input)
    for label, size in sizes.items():
        count, rows = _cross(count, rows, label, size)
    return count, rows


def _cross(count: int, rows: Rows, label: str, size: int) -> tuple[int, Rows]:
    """Every row with every value of a label that has none yet."""
    import numpy as np

    if label in rows:
        return count, rows
    wider = {name: np.repeat(values, size) for name, values in rows.items()}
    wider[label] = np.tile(np.arange(size), count)
    return count * size, wider


def _settle(rows: Rows, label: str, values: Any, size: int) -> tuple[int, Rows]:
    """The rows in which ``label`` has, or can be given, these values."""
    keep = (values >= 0) & (values < size)
    if label in rows:
        keep &= rows[label] == values
    kept = {name: column[keep] for name, column in {**rows, label: values}.items()}
    return int(keep.sum()), kept


def _positions(axes: tuple[Axis, ...], rows: Rows, count: int) -> tuple[Any, Any]:
    """Which rows are within bounds, and their index in the array."""
    import numpy as np

    inside = np.ones(count, dtype=bool)
    columns = []
    for axis in axes:
        at = np.full(count, axis.offset, dtype=np.int64)
        for label, step in axis.terms:
            at = at + step * rows[label]
        inside &= (at >= axis.low) & (at < axis.high)
        columns.append(at)
    return inside, tuple(at[inside] for at in columns)


def _flat(positions: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Row-major numbers of positions; a scalar has the one position 0."""
    flat: Any = 0
    for at, size in zip(positions, shape, strict=True):
        flat = flat * size + at
    return flat


def _read(array: Any, axes: tuple[Axis, ...], rows: Rows) -> Any:
    """One value a row; zero outside the bounds."""
    import numpy as np

    count = len(next(iter(rows.values()))) if rows else 1
    wide = np.result_type(array.dtype, np.int64)
    values = np.zeros(count, dtype=wide)
    inside, positions = _positions(axes, rows, count)
    values[inside] = array[positions]
    return values
