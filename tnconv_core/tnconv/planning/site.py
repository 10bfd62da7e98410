"""Where a form applies: operand values, constraints between them, and what lives on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from tnconv.network import Pattern, Reindex
from tnconv.planning.builder import Builder, Value
from tnconv.planning.outline import Outline, nothing

Constraint = Pattern | Reindex


@dataclass(frozen=True, slots=True)
class Site:
    """One or two values, the patterns and index maps between them, and the labels
    that are needed afterwards. ``final``: nothing is left to contract, and the result
    has its labels in this ``order``. ``twins``: the two values are copies of one
    another, label for label in their order."""

    values: tuple[Value, ...]
    constraints: tuple[Constraint, ...]
    alive: frozenset[str]
    final: bool = False
    twins: bool = False
    order: tuple[str, ...] = ()


Variant = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A way to contract a site.

    ``variants`` lists the ways it applies there (none: not valid); ``emit`` writes the
    steps of one of them and returns a value over exactly the labels alive. ``values``
    and ``constraints`` say which sites to offer: constraints between two values have
    one leg in each, which nothing else needs, and are cast alike. ``floor`` is a price,
    from the labels alone, that no variant is below; 0 is always right.
    """

    name: str
    values: int
    constraints: range
    variants: Callable[[Builder, Site], Iterable[Variant]]
    emit: Callable[[Builder, Site, Variant], Value]
    #: a word for the printed plan, from the site
    describe: Callable[[Site, Variant], str]
    #: seconds that every variant costs at least
    floor: Callable[[Outline], float] = nothing


def split_labels(
    left: Sequence[str], right: Sequence[str], alive: frozenset[str]
) -> tuple[set[str], set[str], set[str], set[str]]:
    """Labels of a pair as (shared, summed, only left, only right)."""
    mine, theirs = set(left), set(right)
    both = mine & theirs
    return both & alive, both - alive, mine - theirs, theirs - mine


def lone(value: Value, other: Value, alive: frozenset[str]) -> set[str]:
    """Labels that only ``value`` carries and nothing needs: sum them first."""
    return set(value.labels) - set(other.labels) - alive
