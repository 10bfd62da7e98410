"""Drawings of networks: arrays as circles, patterns as squares, labels on the edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tnconv.errors import MissingDependencyError
from tnconv.network import Input, Network, Operand, Pattern, Reindex

_SPACING = 0.4
#: how each kind of node looks: marker, size in points squared, color
STYLES = {
    "array": ("o", 1500, "#9ecae1"),
    "network": ("h", 1700, "#a1d99b"),
    "pattern": ("s", 700, "#fdae6b"),
    "padding mode": ("D", 600, "#fdd0a2"),
    "label": ("o", 20, "#555555"),
    "open": ("o", 0, "#ffffff"),
}


def draw(network: Network, path: Path | str | None = None, ax: Any = None) -> Any:
    """Draw a network with networkx and Matplotlib; returns the axes drawn on.

    Arrays are circles, index patterns squares, labels stand on the edges and open legs
    end in nothing; labels of size 1 are left out. ``path`` writes a picture, ``ax``
    draws on axes of the caller's. Raises
    :class:`~tnconv.errors.MissingDependencyError` without the extra ``draw``.
    """
    try:
        import matplotlib.figure
        import networkx
    except ImportError as error:
        raise MissingDependencyError(
            f"draw: it needs networkx and Matplotlib ({error}); "
            'pip install "tnconv[draw]"'
        ) from error
    if ax is None:
        side = 5 + 0.35 * len(network.operands)
        figure = matplotlib.figure.Figure(figsize=(1.4 * side, side))
        ax = figure.add_subplot()
    graph = as_graph(network, networkx.Graph())
    _paint(graph, networkx, ax)
    if path is not None:
        ax.figure.savefig(path, dpi=120, bbox_inches="tight")
    return ax


def as_graph(network: Network, graph: Any) -> Any:
    """Add a node per operand, and per label an edge, a star or an open leg, to a graph.

    Nodes carry ``kind`` and ``text``, edges the ``text`` of their label.
    """
    for index, operand in enumerate(network.operands):
        kind, text = _describe(operand)
        graph.add_node(("operand", index), kind=kind, text=text)
    for label, size in network.label_sizes:
        if size == 1:
            continue
        ends: list[Any] = [("operand", index) for index in network.holders(label)]
        if label in network.output_labels:
            ends.append(("open", label))
            graph.add_node(ends[-1], kind="open", text="")
        _connect(graph, label, ends)
    return graph


def _connect(graph: Any, label: str, ends: list[Any]) -> None:
    """Two ends are an edge; one, or more than two, meet in a dot."""
    if len(ends) == 2:
        if graph.has_edge(*ends):  # two labels between the same operands
            label = f"{graph.edges[ends]['text']}, {label}"
        graph.add_edge(*ends, text=label)
        return
    hub = ("label", label)
    graph.add_node(hub, kind="label", text="")
    for end in ends:
        graph.add_edge(hub, end, text=label)


def _describe(operand: Operand) -> tuple[str, str]:
    if isinstance(operand, Input):
        return "array", operand.name + ("*" if operand.conjugate else "")
    if isinstance(operand, Pattern):
        index = operand.index
        facts = (
            ("s", index.stride, 1),
            ("d", index.dilation, 1),
            ("p", index.padding, 0),
        )
        said = [f"{name}{value}" for name, value, usual in facts if value != usual]
        return "pattern", " ".join(said) or "P"
    if isinstance(operand, Reindex):
        return "padding mode", "R"
    return "network", " ".join(operand.network.arguments)


def _place(graph: Any, networkx: Any) -> Any:
    """Springs, started without crossings where there is such a start."""
    planar, _ = networkx.check_planarity(graph)
    start = networkx.planar_layout(graph) if planar else None
    return networkx.spring_layout(graph, pos=start, seed=1, iterations=200, k=_SPACING)


def _paint(graph: Any, networkx: Any, ax: Any) -> None:
    place = _place(graph, networkx)
    for kind, (shape, size, color) in STYLES.items():
        nodes = [node for node, data in graph.nodes(data=True) if data["kind"] == kind]
        networkx.draw_networkx_nodes(
            graph,
            place,
            nodelist=nodes,
            node_shape=shape,
            node_size=size,
            node_color=color,
            ax=ax,
        )
    networkx.draw_networkx_edges(graph, place, edge_color="#888888", ax=ax)
    names = {node: data["text"] for node, data in graph.nodes(data=True)}
    networkx.draw_networkx_labels(graph, place, names, font_size=8, ax=ax)
    labels = {(a, b): text for a, b, text in graph.edges(data="text")}
    networkx.draw_networkx_edge_labels(
        graph, place, labels, font_size=8, rotate=False, ax=ax
    )
    ax.margins(0.12)
    ax.set_axis_off()
