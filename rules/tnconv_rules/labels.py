"""Labels that say nothing: of size 1, or two that always stand side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from tnconv.axis import Axis, Term
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.rewrite import Rule
from tnconv_rules.moves import rebuild

# Where a label stands: (operand, axis) positions and its step there.
Places = tuple[tuple[int, int, int], ...]


def squeeze(network: Network) -> Network | None:
    """Take labels of size 1 off all axes; their only value is 0."""
    single = {label for label, size in network.label_sizes if size == 1}
    carried = {label for axis in _all_axes(network) for label in axis.labels}
    if not single & carried:
        return None

    def bare(axis: Axis) -> Axis:
        terms = tuple(term for term in axis.terms if term[0] not in single)
        return axis if terms == axis.terms else replace(axis, terms=terms)

    return _map_axes(network, bare, network.sizes)


def merge(network: Network) -> Network | None:
    """Make one label of two whose steps stand in the ratio of a size wherever they are.

    The pair is a composite (outer inner) on every axis that has either of them.
    """
    places = _places(network)
    by_place = {place: label for label, place in places.items()}
    for inner, place in places.items():
        size = network.sizes[inner]
        outer = by_place.get(tuple((j, a, step * size) for j, a, step in place))
        if outer is not None and outer != inner and size > 1:
            return _merged(network, outer, inner)
    return None


def _merged(network: Network, outer: str, inner: str) -> Network:
    both = network.fresh(outer + inner)

    def joined(axis: Axis) -> Axis:
        if inner not in axis.labels:
            return axis
        terms: list[Term] = []
        for label, step in axis.terms:
            if label == inner:
                terms.append((both, step))
            elif label != outer:
                terms.append((label, step))
        return replace(axis, terms=tuple(terms))

    size = network.sizes[outer] * network.sizes[inner]
    sizes = {a: n for a, n in network.sizes.items() if a not in (outer, inner)}
    return _map_axes(network, joined, {**sizes, both: size})


def _places(network: Network) -> dict[str, Places]:
    """Where each label stands that no pattern and no padding mode carries."""
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    bound: set[str] = set()
    for j, op in enumerate((*network.operands, None)):
        if isinstance(op, (Pattern, Reindex)):
            bound.update(op.labels)
            continue
        for a, axis in enumerate(network.output if op is None else op.axes):
            for label, step in axis.terms:
                found[label].append((j, a, step))
    return {label: tuple(at) for label, at in found.items() if label not in bound}


def _all_axes(network: Network) -> list[Axis]:
    axes = list(network.output)
    for op in network.operands:
        if isinstance(op, (Input, SubNetwork)):
            axes += op.axes
    return axes


def _map_axes(
    network: Network, change: Callable[[Axis], Axis], sizes: Mapping[str, int]
) -> Network:
    operands: list[Operand] = [
        replace(op, axes=tuple(map(change, op.axes)))
        if isinstance(op, (Input, SubNetwork))
        else op
        for op in network.operands
    ]
    return rebuild(network, operands, map(change, network.output), sizes)


SQUEEZE = Rule(
    "squeeze",
    "labels",
    squeeze,
    "H: a label of size 1 leaves every axis (a pattern's own leg stays).",
)
MERGE = Rule(
    "merge",
    "labels",
    merge,
    "G: two labels on no pattern that form a composite on every axis become one.",
)

RULES = (SQUEEZE, MERGE)
