"""The canonical form of a network: the same for all that differ in names and order.

Labels, names of arrays and the order of operands are matters of taste. What remains is
a graph (:mod:`tnconv.store.graph`). Its nodes are told apart by what they are tied to,
again and again, until nothing more is learned (color refinement). Where some still look
alike, each is singled out in turn, and the smallest form that comes of it is kept;
choices that lead to what is known are not followed.
Source: McKay and Piperno, *Practical graph isomorphism, II*, Journal of Symbolic
Computation 60 (2014), section 2.

Sizes count last: networks that differ in sizes only are put in the same order wherever
their structure decides it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tnconv.axis import Axis
from tnconv.network import (
    Input,
    Network,
    Operand,
    SubNetwork,
    rename_operand,
)
from tnconv.store.graph import LABEL, NAME, Graph, Path, View

#: forms that are compared before a network is given up
PATIENCE = 500

#: the rank of every node; nodes that look alike share one
Ranks = list[int]
Form = tuple[tuple[int, tuple[tuple[int, int], ...]], ...]


class TooSymmetricError(Exception):
    """Raised inside the store only: too many choices lead to different forms."""


@dataclass(frozen=True, slots=True)
class Canonical:
    """A canonical network; ``names`` gives its arrays those of the other network."""

    network: Network
    names: Mapping[str, str]


def canonical(network: Network) -> Canonical:
    """The canonical form; raises TooSymmetricError where there are too many choices.

    >>> from tnconv.notation import parse
    >>> one = parse("x: a b, y: b c -> a c", shapes={"x": (2, 3), "y": (3, 5)})
    >>> two = parse("q: j k, p: i j -> i k", shapes={"p": (2, 3), "q": (3, 5)})
    >>> canonical(one).network == canonical(two).network
    True
    >>> sorted(canonical(two).names.values())
    ['p', 'q']
    """
    graph = Graph.of(network)
    ranks = _refined(graph.structure, [node[0] for node in graph.nodes])
    sized = [(rank, size) for rank, size in zip(ranks, graph.sizes, strict=True)]
    ranks = _refined(graph.whole, _ranked(sized))
    writer = _Writer(graph, _Choices(graph.whole).best(ranks))
    return Canonical(writer.written(network, ()), writer.names())


def _ranked(colors: Sequence[tuple[object, ...]]) -> Ranks:
    """Colors as numbers in their order."""
    rank = {color: j for j, color in enumerate(sorted(set(colors)))}
    return [rank[color] for color in colors]


def _refined(view: View, ranks: Ranks) -> Ranks:
    """Nodes told apart by their ties until nothing more is learned."""
    count = len(set(ranks))
    while count < len(ranks):
        ties = _ranked(
            [
                (kind, *sorted([(seat, ranks[node]) for seat, node in seats]))
                for kind, seats in view.ties
            ]
        )
        ranks = _ranked(
            [
                (ranks[j], *sorted([(seat, ties[at]) for seat, at in places]))
                for j, places in enumerate(view.places)
            ]
        )
        known, count = count, len(set(ranks))
        if count == known:
            break
    return ranks


class _Choices:
    """The tree of choices among nodes that look alike."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.seen = 0

    def best(self, ranks: Ranks) -> Ranks:
        """The ranks, all different, whose form is the smallest."""
        return min(self._leaves(ranks).items())[1]

    def _leaves(self, ranks: Ranks) -> dict[Form, Ranks]:
        """The forms below a node of the tree, less those equal choices lead to."""
        cell = _cell(ranks)
        if not cell:
            return {self._form(ranks): ranks}
        found: dict[Form, Ranks] = {}
        for node in cell:
            chosen = self._singled(ranks, node)
            if found:
                first = self._first(chosen)
                if self._form(first) in found:  # equals were exchanged
                    continue
            found.update(self._leaves(chosen))
        return found

    def _first(self, ranks: Ranks) -> Ranks:
        """The first form below a node of the tree."""
        while cell := _cell(ranks):
            ranks = self._singled(ranks, cell[0])
        return ranks

    def _singled(self, ranks: Ranks, node: int) -> Ranks:
        """One node before all others that look like it."""
        return _refined(
            self.view, _ranked([(rank, j != node) for j, rank in enumerate(ranks)])
        )

    def _form(self, ranks: Ranks) -> Form:
        self.seen += 1
        if self.seen > PATIENCE:
            raise TooSymmetricError
        ties = [
            (kind, tuple(sorted([(seat, ranks[node]) for seat, node in seats])))
            for kind, seats in self.view.ties
        ]
        return tuple(sorted(ties))


def _cell(ranks: Ranks) -> list[int]:
    """The nodes of the first rank that several share."""
    nodes: dict[int, list[int]] = {}
    for j, rank in enumerate(ranks):
        nodes.setdefault(rank, []).append(j)
    return min((n for n in nodes.items() if len(n[1]) > 1), default=(0, []))[1]


class _Writer:
    """Networks with their nodes named, and operands put, in the order of ranks."""

    def __init__(self, graph: Graph, ranks: Ranks) -> None:
        self.graph, self.ranks = graph, ranks
        order = sorted(range(len(ranks)), key=ranks.__getitem__)
        self.order = [graph.nodes[j] for j in order]
        self.ties = {site: at for at, site in enumerate(graph.sites)}

    def names(self) -> dict[str, str]:
        """What arrays are called in the other network, by their new names."""
        names = [name for kind, _, name in self.order if kind == NAME]
        return {f"x{j}": name for j, name in enumerate(names)}

    def written(self, network: Network, path: Path) -> Network:
        """A network and those inside it."""
        mine = [a for kind, at, a in self.order if (kind, at) == (LABEL, path)]
        labels = {label: f"l{j}" for j, label in enumerate(mine)}
        named = {old: new for new, old in self.names().items()}
        operands: list[Operand] = []
        places = range(len(network.operands))
        for at in sorted(places, key=lambda at: self._place(path, at)):
            op = rename_operand(network.operands[at], labels)
            if isinstance(op, Input):
                op = replace(op, name=named[op.name], axes=_in_order(op.axes))
            elif isinstance(op, SubNetwork):
                inner = self.written(op.network, (*path, at))
                op = replace(op, network=inner, axes=_in_order(op.axes))
            operands.append(op)
        output = _in_order(tuple(axis.rename(labels) for axis in network.output))
        sizes = {new: network.sizes[old] for old, new in labels.items()}
        return Network.build(operands, output, sizes, network.scale)

    def _place(self, path: Path, at: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """Operands stand in the order of their ties, sizes last."""
        tie, ranks = self.ties[path, at], self.ranks
        return [
            (kind, sorted([(seat, ranks[node]) for seat, node in seats]))
            for view in (self.graph.structure, self.graph.whole)
            for kind, seats in (view.ties[tie],)
        ]


def _in_order(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Axes with the outermost label first."""
    return tuple(
        replace(axis, terms=tuple(sorted(axis.terms, key=lambda t: (-t[1], t[0]))))
        for axis in axes
    )


def renamed(network: Network, names: Mapping[str, str]) -> Network:
    """The same network of arrays with other names."""
    operands = tuple(
        replace(op, name=names[op.name])
        if isinstance(op, Input)
        else replace(op, network=renamed(op.network, names))
        if isinstance(op, SubNetwork)
        else op
        for op in network.operands
    )
    return replace(network, operands=operands)
