"""Rewriting: rules that return a smaller network of the same meaning, and their trace.

A rule is a pure function from a network to a network, or to None where it does not
apply. :func:`simplify` runs an ordered tuple of rules to a fixed point and records what
fired. The rules themselves live in the distribution's ``tnconv_rules`` package and in
any package that registers an entry point in the group ``tnconv.rules``: the core looks
them up by name, so it does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from tnconv.errors import ArgumentError, NetworkError
from tnconv.execution.registry import load, plugins
from tnconv.network import Network, Pattern, Reindex, SubNetwork
from tnconv.splice import splice_all


@dataclass(frozen=True, slots=True)
class Rule:
    """One simplification: ``apply`` returns the smaller network, or None."""

    name: str
    family: str
    apply: Callable[[Network], Network | None]
    doc: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """A way to write a network differently that is not always simpler or faster.

    ``mends`` names a kind of step that it spares intermediate results: a planner looks
    at it only where the best plan has such a step.
    """

    name: str
    apply: Callable[[Network], Iterable[Network]]
    doc: str
    mends: str = ""


@dataclass(frozen=True, slots=True)
class Simplified:
    """A simplified network and what was done: ``(rule name, where)`` in order."""

    network: Network
    trace: tuple[tuple[str, str], ...]


def simplify(network: Network, rules: Iterable[Rule] | None = None) -> Simplified:
    """Run rules (by default the STANDARD ones) until none of them applies.

    Sub-networks are spliced in first where their views allow it; those that remain are
    simplified inside. Raises :class:`~tnconv.errors.NetworkError` where rules keep
    firing, with their names.

    >>> from tnconv.notation import parse
    >>> net = parse("n c i, i ~ 2 o, d c -> n d o", shapes=[(2, 3, 7), (4, 3)])
    >>> simplify(net).trace[0]
    ('pointwise', 'i ~ 2 o')
    """
    if not isinstance(network, Network):
        raise ArgumentError(
            f"simplify: takes a Network, got {network!r:.60}; "
            "tnconv.parse makes one of text"
        )
    return _simplified(network, default_rules() if rules is None else tuple(rules))


@lru_cache(maxsize=16)
def _simplified(network: Network, rules: tuple[Rule, ...]) -> Simplified:
    """Kept for a while: alternatives all start from what a planner asked for."""
    network, inside = _simplify_inside(splice_all(network), rules)
    network, trace = _fixed_point(network, rules)
    return Simplified(network, inside + trace)


def alternatives(
    network: Network, chosen: Iterable[Alternative] | None = None
) -> tuple[tuple[str, Network], ...]:
    """Networks of the same meaning for a planner to price, each with a label.

    By default all that are registered and mend nothing: the first is the network as
    built (sub-networks spliced in), the second the simplified one. Equal networks are
    listed once.
    """
    if chosen is None:
        chosen = [a for a in default_alternatives() if not a.mends]
    found: dict[Network, str] = {}
    for alternative in chosen:
        for j, other in enumerate(alternative.apply(network)):
            label = alternative.name if not j else f"{alternative.name} {j + 1}"
            found.setdefault(other, label)
    return tuple((label, other) for other, label in found.items())


@cache
def default_rules() -> tuple[Rule, ...]:
    """The rules that are registered under ``tnconv.rules``: ours, then by name."""
    return tuple(item for item in _registered() if isinstance(item, Rule))


@cache
def default_alternatives() -> tuple[Alternative, ...]:
    """The alternatives that are registered under ``tnconv.rules``."""
    return tuple(item for item in _registered() if isinstance(item, Alternative))


@cache
def _registered() -> tuple[Rule | Alternative, ...]:
    """Everything the plug-ins of the group hold: each one object, or a tuple."""
    items: list[Rule | Alternative] = []
    for name in plugins("tnconv.rules"):
        entry = load("tnconv.rules", name)
        for item in entry if isinstance(entry, (tuple, list)) else (entry,):
            if not isinstance(item, (Rule, Alternative)):
                raise NetworkError(
                    f"tnconv.rules: the plug-in {name!r} holds {item!r}, which is "
                    "neither a Rule nor an Alternative"
                )
            items.append(item)
    return tuple(items)


def _simplify_inside(
    network: Network, rules: tuple[Rule, ...]
) -> tuple[Network, tuple[tuple[str, str], ...]]:
    if not any(isinstance(op, SubNetwork) for op in network.operands):
        return network, ()
    operands, trace = [], []
    for at, op in enumerate(network.operands):
        if isinstance(op, SubNetwork):
            inner = simplify(op.network, rules)
            op = replace(op, network=inner.network)
            trace += [(name, f"in operand {at}: {site}") for name, site in inner.trace]
        operands.append(op)
    return replace(network, operands=tuple(operands)), tuple(trace)


def _fixed_point(
    network: Network, rules: tuple[Rule, ...]
) -> tuple[Network, tuple[tuple[str, str], ...]]:
    """Each rule as often as it applies, in order, until a whole round is quiet."""
    trace: list[tuple[str, str]] = []
    limit = 50 + 20 * (len(network.operands) + len(network.label_sizes))
    quiet = False
    while not quiet:
        quiet = True
        for rule in rules:
            while (smaller := rule.apply(network)) is not None:
                trace.append((rule.name, _site(network, smaller)))
                network, quiet = smaller, False
                if len(trace) > limit:
                    names = sorted({name for name, _ in trace[-20:]})
                    raise NetworkError(
                        f"simplify: no end after {limit} steps; these rules keep "
                        f"firing: {', '.join(names)}"
                    )
    return network, tuple(trace)


def _site(before: Network, after: Network) -> str:
    """Where a rule fired: the patterns that changed, else the labels that left."""
    from tnconv.notation import operand_text

    left = set(after.operands)
    changed = [
        operand_text(op, before)
        for op in before.operands
        if isinstance(op, (Pattern, Reindex)) and op not in left
    ]
    if changed:
        return ", ".join(changed)
    gone = [label for label, _ in before.label_sizes if label not in after.sizes]
    return "labels " + " ".join(gone or before.sizes)
