"""What the forms that do a whole convolution at once read and write.

Labels that both values carry become groups (alive) or the summed channel; the others
rows and columns. The input leg is laid out in full where no argument says the padding,
and a leg of step 2 or more can be spread with zeros between its positions.
"""

from __future__ import annotations

from dataclasses import dataclass

from tnconv.axis import Axis
from tnconv.network import Pattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.roles import Casting
from tnconv.planning.forms.views import isolate
from tnconv.planning.site import Site, lone, split_labels


@dataclass(frozen=True, slots=True)
class Channels:
    """Labels of the two leading dimensions of left, right and result; the groups."""

    left: list[list[str]]
    right: list[list[str]]
    result: list[list[str]]
    groups: list[str]


def is_filled(b: Builder, site: Site) -> bool:
    """Whether no label of the site has size 0."""
    labels = {a for value in site.values for a in value.labels}
    return all(b.sizes[a] for a in labels | site.alive)


def reduced(b: Builder, cast: Casting, alive: frozenset[str]) -> Casting:
    """The cast without labels that only one value carries and nothing needs."""
    legs = _legs(cast)
    left = b.reduce(cast.left, lone(cast.left, cast.right, alive) - legs)
    right = b.reduce(cast.right, lone(cast.right, cast.left, alive) - legs)
    return Casting(cast.role, left, right, cast.patterns)


def channels(b: Builder, cast: Casting, alive: frozenset[str]) -> Channels:
    """The labels beside the pattern legs, in the layout of the role."""
    legs = _legs(cast)
    found = split_labels(cast.left.labels, cast.right.labels, alive)
    shared, summed, rows = (b.memory_order(cast.left, a - legs) for a in found[:3])
    columns = b.memory_order(cast.right, found[3] - legs)
    read, made = [*shared, *summed], [*shared, *columns]
    if cast.role == "weight":
        left, right = [summed, [*shared, *rows]], [summed, made]
        return Channels(left, right, [made, rows], shared)
    right = [made, summed] if cast.role == "forward" else [read, columns]
    return Channels([rows, read], right, [rows, made], shared)


def _legs(cast: Casting) -> set[str]:
    return {label for pattern in cast.patterns for label in pattern.labels}


def whole(b: Builder, value: Value, pattern: Pattern) -> tuple[Value, str]:
    """The value with zero padding up to all that the pattern reads, and the label of
    its positions."""
    index, label = pattern.index, f"{pattern.input}~"
    value = isolate(b, value, pattern.input)
    b.sizes[label] = index.extent
    return moved(value, pattern.input, ((label, 1),), -index.padding), label


def spread(b: Builder, value: Value, label: str, step: int) -> tuple[Value, str]:
    """The value with ``step - 1`` zeros between positions of a label, and its label."""
    if step == 1:
        return value, label
    size, wide = step * (b.sizes[label] - 1) + 1, f"{label}~"
    others = [a for a in b.memory_order(value, value.labels) if a != label]
    plain = [Axis(b.sizes[a], ((a, 1),)) for a in others]
    axes = (*plain, Axis(size, ((label, step),)))
    register = b.add_into(value, axes, injective=True)
    b.sizes[wide] = size
    return Value(register, (*plain, Axis(size, ((wide, 1),)))), wide


def moved(
    value: Value, label: str, terms: tuple[tuple[str, int], ...], offset: int
) -> Value:
    """The value with ``offset + terms`` in the place of a label."""
    axes = tuple(axis.substitute(label, terms, offset) for axis in value.axes)
    return Value(value.register, axes)
