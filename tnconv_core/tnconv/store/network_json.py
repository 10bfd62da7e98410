"""Networks as what JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import prod
from typing import Any

from tnconv.axis import Axis
from tnconv.errors import NetworkError
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap, Piece
from tnconv.store.reading import (
    LARGEST,
    BadRecordError,
    items,
    table,
    truth,
    whole,
    words,
)

#: sub-networks inside one another
DEEPEST = 8
#: the longest leg of a pattern; kernel positions, and labels, of a network
LONGEST_LEG, POSITIONS, LABELS = 1 << 26, 1 << 22, 1 << 10


def network_record(network: Network) -> dict[str, Any]:
    """A network as plain values.

    >>> from tnconv.notation import parse
    >>> network_record(parse("x: a b -> b", shapes={"x": (2, 3)}))["sizes"]
    {'a': 2, 'b': 3}
    """
    return {
        "operands": [_operand_record(op) for op in network.operands],
        "output": _axes_record(network.output),
        "sizes": dict(network.label_sizes),
        "scale": [network.scale.numerator, network.scale.denominator],
    }


def _operand_record(op: Operand) -> dict[str, Any]:
    if isinstance(op, Input):
        axes = _axes_record(op.axes)
        return {"array": op.name, "axes": axes, "conjugate": op.conjugate}
    if isinstance(op, SubNetwork):
        return {"network": network_record(op.network), "axes": _axes_record(op.axes)}
    legs = list(op.labels)
    if isinstance(op, Pattern):
        p = op.index
        sizes = [p.input, p.output, p.kernel, p.stride, p.dilation, p.padding]
        return {"pattern": sizes, "legs": legs}
    pieces = [[p.start, p.step, p.length] for p in op.map.pieces]
    return {"reindex": pieces, "size": op.map.input, "legs": legs}


def _axes_record(axes: Iterable[Axis]) -> list[Any]:
    return [
        [
            axis.size,
            [list(term) for term in axis.terms],
            axis.offset,
            axis.low,
            axis.high,
        ]
        for axis in axes
    ]


def read_network(value: Any, depth: int = 0) -> Network:
    """The inverse of :func:`network_record`; BadRecordError says what does not fit."""
    if depth > DEEPEST:
        raise BadRecordError(f"networks are nested deeper than {DEEPEST}")
    found = table(value, "network", ("operands", "output", "sizes", "scale"))
    if not isinstance(found["sizes"], dict) or len(found["sizes"]) > LABELS:
        raise BadRecordError("sizes is not a table of labels")
    sizes = {words(a, "label"): whole(n, a) for a, n in found["sizes"].items()}
    above, below = items(found["scale"], "scale", 2)
    ratio = whole(above, "scale", -LARGEST), whole(below, "scale", 1)
    operands = [_operand(op, depth) for op in items(found["operands"], "operands")]
    patterns = [op.index for op in operands if isinstance(op, Pattern)]
    if prod(max(1, pattern.kernel) for pattern in patterns) > POSITIONS:
        raise BadRecordError(f"a kernel of more than {POSITIONS} positions")
    try:
        return Network.build(operands, _axes(found["output"]), sizes, Fraction(*ratio))
    except NetworkError as error:
        raise BadRecordError(f"the network does not fit: {error}") from error


def _operand(value: Any, depth: int) -> Operand:
    kinds = value if isinstance(value, dict) else ()
    try:
        if "network" in kinds:
            found = table(value, "sub-network", ("network", "axes"))
            inner = read_network(found["network"], depth + 1)
            return SubNetwork(inner, _axes(found["axes"]))
        if "array" in kinds:
            return _array(value)
        return _pattern(value) if "pattern" in kinds else _reindex(value)
    except NetworkError as error:
        raise BadRecordError(f"an operand does not fit: {error}") from error


def _array(value: Any) -> Operand:
    found = table(value, "array", ("array", "axes", "conjugate"))
    name = words(found["array"], "the name of an array")
    return Input(name, _axes(found["axes"]), truth(found["conjugate"], "conjugate"))


def _pattern(value: Any) -> Operand:
    found = table(value, "pattern", ("pattern", "legs"))
    sizes = [
        whole(n, "a pattern's number", -LONGEST_LEG, LONGEST_LEG)
        for n in items(found["pattern"], "pattern", 6)
    ]
    legs = [words(leg, "leg") for leg in items(found["legs"], "legs", 3)]
    return Pattern(IndexPattern(*sizes), *legs)


def _reindex(value: Any) -> Operand:
    found = table(value, "index map", ("reindex", "size", "legs"))
    pieces = [
        Piece(*(whole(n, "a piece's number", -LONGEST_LEG, LONGEST_LEG) for n in piece))
        for piece in (items(p, "piece", 3) for p in items(found["reindex"], "pieces"))
    ]
    legs = [words(leg, "leg") for leg in items(found["legs"], "legs", 2)]
    size = whole(found["size"], "size", 0, LONGEST_LEG)
    return Reindex(IndexMap(size, tuple(pieces)), *legs)


def _axes(value: Any) -> tuple[Axis, ...]:
    return tuple(_axis(axis) for axis in items(value, "axes"))


def _axis(value: Any) -> Axis:
    size, terms, offset, low, high = items(value, "axis", 5)
    pairs = [items(term, "term", 2) for term in items(terms, "terms")]
    read = tuple((words(a, "label"), whole(s, "step", -LARGEST)) for a, s in pairs)
    ends = whole(offset, "offset", -LARGEST), whole(low, "low"), whole(high, "high")
    try:
        return Axis(whole(size, "size"), read, *ends)
    except NetworkError as error:
        raise BadRecordError(f"an axis does not fit: {error}") from error


def structure_record(network: Network) -> list[Any]:
    """A network less its sizes, and what follows from them."""
    return [
        [_structure(op) for op in network.operands],
        [[label for label, _ in axis.terms] for axis in network.output],
        [label for label, _ in network.label_sizes],
    ]


def _structure(op: Operand) -> list[Any]:
    if isinstance(op, Pattern):
        index = op.index
        return [*op.labels, index.stride, index.dilation, index.padding]
    if isinstance(op, Reindex):
        return [*op.labels, len(op.map.pieces)]
    axes = [[label for label, _ in axis.terms] for axis in op.axes]
    if isinstance(op, Input):
        return [op.name, op.conjugate, axes]
    return [structure_record(op.network), axes]
