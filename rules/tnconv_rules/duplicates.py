"""Patterns that repeat one another: any two legs of a pattern determine the third."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tnconv.network import Network, Pattern, Reindex
from tnconv.rewrite import Rule
from tnconv_rules.moves import Relation, identify


def drop_duplicate(network: Network) -> Network | None:
    """P * P = P: drop the second of two equal patterns or padding modes."""
    seen: set[Relation] = set()
    for at, op in enumerate(network.operands):
        if isinstance(op, (Pattern, Reindex)):
            if op in seen:
                return identify(network, {}, (at,))
            seen.add(op)
    return None


def identify_third(network: Network) -> Network | None:
    """Two equal records on two common labels have the third in common too."""
    for _, first, at, second in _twins(network):
        other = [pair for pair in _legs(first, second) if pair[0] != pair[1]]
        determined = len(other) == 1
        if isinstance(first, Reindex):  # the padded label determines the input label
            determined = determined and first.output == second.output
        if determined:
            kept, gone = other[0]
            smaller = identify(network, {gone: kept}, (at,))
            if smaller is not None:
                return smaller
    return None


def identify_nested(network: Network) -> Network | None:
    """Equal injective records on one input label have output and kernel in common."""
    for _, first, at, second in _twins(network):
        if not isinstance(first, Pattern) or not first.index.is_injective():
            continue
        if first.input == second.input:
            names = {new: old for old, new in _legs(first, second) if old != new}
            smaller = identify(network, names, (at,)) if names else None
            if smaller is not None:
                return smaller
    return None


def _twins(network: Network) -> Iterator[tuple[int, Relation, int, Relation]]:
    """Pairs of patterns (or padding modes) with the same record."""
    relations = [
        (at, op)
        for at, op in enumerate(network.operands)
        if isinstance(op, (Pattern, Reindex))
    ]
    for (i, first), (j, second) in combinations(relations, 2):
        if _record(first) == _record(second):
            yield i, first, j, second


def _record(relation: Relation) -> object:
    return relation.index if isinstance(relation, Pattern) else relation.map


def _legs(first: Relation, second: Relation) -> list[tuple[str, str]]:
    return list(zip(first.labels, second.labels, strict=True))


DUPLICATE = Rule(
    "duplicate",
    "duplicates",
    drop_duplicate,
    "D, R12: two patterns (padding modes) of one record and the same labels are one.",
)
THIRD_LABEL = Rule(
    "third-label",
    "duplicates",
    identify_third,
    "R11: patterns of one record with two labels in common have the third in common.",
)
NESTED_LABELS = Rule(
    "nested-labels",
    "duplicates",
    identify_nested,
    "R11 where the record is injective: the input label alone determines the others.",
)

RULES = (DUPLICATE, THIRD_LABEL, NESTED_LABELS)
