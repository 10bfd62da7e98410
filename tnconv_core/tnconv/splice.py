"""Splicing: put the operands of a sub-network straight into the network around it.

The sub-network writes its result through one set of views and the network reads it
through another. Where the two name the same positions the labels are identified, and
the planner sees one flat network; elsewhere the sub-network stays an operand of its
own.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from tnconv.axis import Axis
from tnconv.network import Network, Pattern, Reindex, SubNetwork, numbered


def splice_all(network: Network) -> Network:
    """Splice every sub-network that can be, innermost first."""
    if not any(isinstance(op, SubNetwork) for op in network.operands):
        return network
    operands = tuple(
        replace(op, network=splice_all(op.network))
        if isinstance(op, SubNetwork)
        else op
        for op in network.operands
    )
    network = replace(network, operands=operands)
    for at in reversed(range(len(operands))):
        if isinstance(operands[at], SubNetwork):
            network = splice(network, at)
    return network


def splice(network: Network, at: int) -> Network:
    """Splice the sub-network at position ``at`` where its views allow it."""
    network = _refined(network, at)
    outer = network.operands[at]
    assert isinstance(outer, SubNetwork)
    inner = _identify(_freshly_named(outer.network, network), outer.axes, network)
    if inner is None:
        return network
    operands = (
        *network.operands[:at],
        *inner.operands,
        *network.operands[at + 1 :],
    )
    scale = network.scale * inner.scale
    used = {label for op in operands for label in op.labels}
    used |= set(network.output_labels)
    for label in set(network.sizes) - used:  # broadcast inside, summed outside
        scale *= network.sizes[label]
    sizes = {**inner.sizes, **network.sizes}
    return Network.build(operands, network.output, sizes, scale)


def _refined(network: Network, at: int) -> Network:
    """The network with its own labels split where the sub-network's are finer.

    Grouped layers in a row meet so: one writes ``(g d)``, the next reads ``c``.
    """
    outer = network.operands[at]
    assert isinstance(outer, SubNetwork)
    for written, read in zip(outer.network.output, outer.axes, strict=True):
        both = ((written, outer.network.sizes), (read, network.sizes))
        if not all(a.is_composite(s) for a, s in both):
            continue
        mine, theirs = ([(a, s[a]) for a in axis.labels] for axis, s in both)
        for label, parts in _split_sizes(theirs, mine).items():
            names = [numbered(label, network.sizes)]
            while len(names) < len(parts):
                names.append(numbered(label, {*network.sizes, *names}))
            split = list(zip(names, parts, strict=True))
            network = _split_label(network, label, split) or network
    return network


def _split_sizes(
    labels: list[tuple[str, int]], others: list[tuple[str, int]]
) -> dict[str, list[int]]:
    """Which labels must be split, and into what sizes, to end where others end."""
    ends, product = set(), 1
    for _, size in reversed(others):
        product *= size
        ends.add(product)
    split: dict[str, list[int]] = {}
    inside = 1
    for label, size in reversed(labels):
        cuts = sorted(e for e in ends if inside < e < inside * size)
        edges = [inside, *cuts, inside * size]
        if cuts and all(b % a == 0 for a, b in pairwise(edges)):
            split[label] = [b // a for a, b in pairwise(edges)][::-1]
        inside *= size
    return split


def _freshly_named(inner: Network, around: Network) -> Network:
    taken = set(around.sizes) | set(inner.sizes)
    names: dict[str, str] = {}
    for label in inner.sizes:
        if label in around.sizes:
            names[label] = numbered(label, taken)
            taken.add(names[label])
    return inner.rename(names)


def _identify(
    inner: Network, axes: tuple[Axis, ...], around: Network
) -> Network | None:
    """The inner network with its output labels renamed or split to the outer ones."""
    seen: set[str] = set()
    for j, read in enumerate(axes):
        written = inner.output[j]
        both = ((written, inner.sizes), (read, around.sizes))
        if not all(a.is_plain(s) or a.is_composite(s) for a, s in both):
            return None
        mine, theirs = (
            [(a, s[a]) for a in axis.labels if s[a] != 1] for axis, s in both
        )
        split = _match(mine, theirs)
        if split is None or seen & (set(written.labels) | set(read.labels)):
            return None  # no common refinement, or a diagonal
        seen |= set(written.labels) | set(read.labels)
        for label, parts in split.items():
            done = _split_label(inner, label, parts)
            if done is None:
                return None
            inner = done
    return inner


def _match(
    mine: list[tuple[str, int]], theirs: list[tuple[str, int]]
) -> dict[str, list[tuple[str, int]]] | None:
    """Which outer labels make up each inner label, outermost first."""
    rest = list(theirs)
    split: dict[str, list[tuple[str, int]]] = {}
    for label, size in mine:
        parts: list[tuple[str, int]] = []
        product = 1
        while product < size and rest:
            parts.append(rest.pop(0))
            product *= parts[-1][1]
        if product != size or not size:
            return None
        split[label] = parts
    return None if rest else split


def _split_label(
    network: Network, label: str, parts: list[tuple[str, int]]
) -> Network | None:
    """Put the composite of ``parts`` in the place of one label."""
    if len(parts) == 1:
        return network.rename({label: parts[0][0]})
    for op in network.operands:
        if label in op.labels and isinstance(op, (Pattern, Reindex)):
            return None
    terms: list[tuple[str, int]] = []
    step = 1
    for name, size in reversed(parts):
        terms.append((name, step))
        step *= max(1, size)
    return substitute_axes(network, label, tuple(reversed(terms)), 0, dict(parts))


def substitute_axes(
    network: Network,
    label: str,
    terms: tuple[tuple[str, int], ...],
    offset: int,
    new_sizes: dict[str, int],
) -> Network:
    """Put an affine combination in the place of a label on every axis that has it."""
    operands = tuple(
        op
        if isinstance(op, (Pattern, Reindex))
        else replace(
            op, axes=tuple(a.substitute(label, terms, offset) for a in op.axes)
        )
        for op in network.operands
    )
    output = tuple(a.substitute(label, terms, offset) for a in network.output)
    return Network.build(
        operands, output, {**network.sizes, **new_sizes}, network.scale
    )
