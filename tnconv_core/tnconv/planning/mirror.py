"""The symmetry of a network that holds two copies of one sub-network.

Exchanging the copies leaves such a network as it is, so what is found for one subset of
operands holds for its mirror image: it is priced once, and carried out in the same way.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import combinations

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Pattern, Reindex, rename_operand


@dataclass(frozen=True, slots=True)
class Mirror:
    """An exchange of operands (by position) and labels that changes nothing."""

    operands: tuple[int, ...]
    labels: Mapping[str, str]

    def image(self, subset: int) -> int:
        """The mirror image of a set of operands."""
        image, rest = 0, subset
        while rest:
            last = rest & -rest
            image |= 1 << self.operands[last.bit_length() - 1]
            rest ^= last
        return image

    def apart(self, subset: int) -> int:
        """The mirror image, if it is apart: what holds parts of both copies has a
        layout that is not its own mirror image."""
        image = self.image(subset)
        return subset if image & subset else image

    def axes(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """Axes over the labels of the other copy."""
        return tuple([axis.rename(self.labels) for axis in axes])

    def named(self, item: Hashable) -> Hashable:
        """An entry of a variant for the other copy."""
        if isinstance(item, tuple):
            return tuple([self.named(part) for part in item])
        return self.labels.get(item, item) if isinstance(item, str) else item


def find_mirror(network: Network) -> Mirror | None:
    """The exchange of two inputs of one name, if it leaves the network unchanged."""
    inputs = [op for op in network.operands if isinstance(op, Input)]
    for first, second in combinations(inputs, 2):
        names = _matched(first, second)
        if names is not None:
            found = _grown(network, names)
            if found is not None:
                return found
    return None


def _matched(first: Input, second: Input) -> dict[str, str] | None:
    """The labels of two inputs that read one array alike, each to the other."""
    if (first.name, first.conjugate) != (second.name, second.conjugate):
        return None
    if len(first.labels) != len(second.labels):
        return None
    names = _both_ways(dict(zip(first.labels, second.labels, strict=True)))
    if names is None:
        return None
    renamed = tuple(axis.rename(names) for axis in first.axes)
    return names if renamed == second.axes else None


def _both_ways(names: Mapping[str, str]) -> dict[str, str] | None:
    back = {new: old for old, new in names.items()}
    if len(back) != len(names) or any(names.get(a, b) != b for a, b in back.items()):
        return None
    return {**names, **back}


def _grown(network: Network, names: dict[str, str]) -> Mirror | None:
    """Follow the constraints from labels that are exchanged to those that must be."""
    rules = [op for op in network.operands if isinstance(op, (Pattern, Reindex))]
    waiting = list(rules)
    while waiting:
        ready = [op for op in waiting if any(a in names for a in op.labels)]
        if not ready:
            break
        for op in ready:
            other = next((p for p in rules if _may_be(p, op, names)), None)
            grown = other and _both_ways(
                {**names, **dict(zip(op.labels, other.labels, strict=True))}
            )
            if not grown:
                return None
            names = grown
            waiting.remove(op)
    return _checked(network, names)


def _may_be(other: Operand, op: Operand, names: Mapping[str, str]) -> bool:
    pairs = zip(op.labels, other.labels, strict=False)
    alike = all(names.get(a, b) == b for a, b in pairs)
    return alike and _record(other) == _record(op)


def _record(op: Operand) -> object:
    if isinstance(op, Pattern):
        return op.index
    return op.map if isinstance(op, Reindex) else None


def _checked(network: Network, names: Mapping[str, str]) -> Mirror | None:
    """The exchange as a whole, if every operand and the output have an image."""
    at: dict[Operand, list[int]] = {}
    for j, op in enumerate(network.operands):
        at.setdefault(op, []).append(j)
    images = [at.get(rename_operand(op, names), []) for op in network.operands]
    outputs = set(network.output_labels)
    if any(len(image) != 1 for image in images):
        return None
    if any(network.sizes[a] != network.sizes[b] for a, b in names.items()):
        return None
    if {names.get(a, a) for a in outputs} != outputs:
        return None
    order = tuple(image[0] for image in images)
    moved = any(j != image for j, image in enumerate(order))
    return Mirror(order, dict(names)) if moved else None
