"""A network as a graph: labels, array names and networks, and what ties them together.

Every operand is a tie between its labels, its name and the network it stands in; every
output ties its labels to its network. A sub-network is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tnconv.axis import Axis
from tnconv.network import Input, Network, Operand, Reindex, SubNetwork

NETWORK, LABEL, NAME = 0, 1, 2

#: where a network stands: positions of operands, from the outside
Path = tuple[int, ...]
#: a kind of node, where it stands (names: anywhere), and what it is called
Node = tuple[int, Path, str]
#: a seat at a tie, and who has it
Seat = tuple[int, int]
#: what ties nodes together, as a number, and who sits there
Tie = tuple[int, tuple[Seat, ...]]
#: a seat as text, without sizes and with them, and who has it
Spot = tuple[str, str, Node]


@dataclass(frozen=True, slots=True)
class View:
    """The ties of a graph, and where each node has seats."""

    ties: tuple[Tie, ...]
    places: tuple[tuple[Seat, ...], ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and their sizes (of labels); ``sites`` says which operand a tie is (-1: the
    output). Kinds and seats are seen without sizes and with them."""

    nodes: tuple[Node, ...]
    sizes: tuple[int, ...]
    sites: tuple[tuple[Path, int], ...]
    structure: View
    whole: View

    @classmethod
    def of(cls, network: Network) -> Graph:
        """The graph of a network."""
        draft = _Draft()
        draft.enter(network, ())
        number = {node: j for j, node in enumerate(draft.nodes)}
        views = (_view(draft.ties, number, which) for which in (0, 1))
        sizes = tuple(draft.nodes.values())
        return cls(tuple(draft.nodes), sizes, tuple(draft.sites), *views)


@dataclass(slots=True)
class _Draft:
    """A graph while networks are entered: nodes with sizes, ties in texts."""

    nodes: dict[Node, int] = field(default_factory=dict)
    ties: list[tuple[tuple[str, str], list[Spot]]] = field(default_factory=list)
    sites: list[tuple[Path, int]] = field(default_factory=list)

    def enter(self, network: Network, path: Path) -> None:
        """Add the nodes and ties of a network, and of those inside it."""
        here = (NETWORK, path, "")
        self.nodes[here] = 0
        for label, size in network.label_sizes:
            self.nodes[LABEL, path, label] = size
        for at, op in enumerate(network.operands):
            inside = (*path, at)
            kind, spots = _tied(op, path, inside)
            self._tie(kind, [("in", "in", here), *spots], path, at)
            if isinstance(op, Input):
                self.nodes.setdefault((NAME, (), op.name), 0)
            elif isinstance(op, SubNetwork):
                self.enter(op.network, inside)
        kind = "output", f"{network.scale} {_bounds(network.output)}"
        spots = [("of", "of", here), *_spots(network.output, path)]
        self._tie(kind, spots, path, -1)

    def _tie(
        self, kind: tuple[str, str], spots: list[Spot], path: Path, at: int
    ) -> None:
        self.ties.append((kind, spots))
        self.sites.append((path, at))


def _view(
    ties: list[tuple[tuple[str, str], list[Spot]]], number: dict[Node, int], which: int
) -> View:
    """Kinds and seats as numbers in the order of their texts; without sizes (0), or
    with them (1)."""
    kinds = sorted({kind[: which + 1] for kind, _ in ties})
    kind_rank = {kind: j for j, kind in enumerate(kinds)}
    seats = sorted({spot[which] for _, spots in ties for spot in spots})
    seat_rank = {seat: j for j, seat in enumerate(seats)}
    numbered = []
    places: list[list[Seat]] = [[] for _ in number]
    for at, (kind, spots) in enumerate(ties):
        seated = [(seat_rank[spot[which]], number[spot[2]]) for spot in spots]
        numbered.append((kind_rank[kind[: which + 1]], tuple(seated)))
        for seat, node in seated:
            places[node].append((seat, at))
    return View(tuple(numbered), tuple(map(tuple, places)))


def _tied(op: Operand, path: Path, inside: Path) -> tuple[tuple[str, str], list[Spot]]:
    """What an operand is (without sizes, and what they add), and its seats."""
    if isinstance(op, Input):
        name = ("name", "name", (NAME, (), op.name))
        kind = f"array {op.conjugate}", _bounds(op.axes)
        return kind, [name, *_spots(op.axes, path)]
    if isinstance(op, SubNetwork):
        network = ("network", "network", (NETWORK, inside, ""))
        return ("network", _bounds(op.axes)), [network, *_spots(op.axes, path)]
    legs = zip(("input", "output", "kernel"), op.labels, strict=False)
    spots = [(leg, leg, (LABEL, path, label)) for leg, label in legs]
    if isinstance(op, Reindex):
        return ("reindex", repr(op.map.pieces)), spots
    index = op.index
    return (f"pattern {index.stride} {index.dilation}", str(index.padding)), spots


def _bounds(axes: tuple[Axis, ...]) -> str:
    return " ".join([f"{a.size} {a.offset} {a.low} {a.high}," for a in axes])


def _spots(axes: tuple[Axis, ...], path: Path) -> Iterator[Spot]:
    """Each label by its axis, and by how far it moves there."""
    for at, axis in enumerate(axes):
        steps = sorted({step for _, step in axis.terms})
        for label, step in axis.terms:
            loose = f"axis {at} {steps.index(step)}"
            yield loose, f"axis {at} {step}", (LABEL, path, label)
