"""Drawings: a node per operand, an edge per label, and what a missing extra says."""

import sys
from pathlib import Path
from typing import Any

import networkx
import pytest
from PIL import Image

import tnconv
from tnconv.demo.build import photo_network
from tnconv.draw import as_graph, draw
from tnconv.errors import MissingDependencyError


def test_the_graph_has_operands_labels_and_open_legs() -> None:
    network = tnconv.networks.conv((2, 4, 9), (6, 4, 3), stride=2, padding=1)
    graph = as_graph(network, networkx.Graph())
    kinds = [kind for _, kind in graph.nodes(data="kind")]
    assert kinds.count("array") == 2 and kinds.count("pattern") == 1
    assert kinds.count("open") == 3  # batch, channels, positions
    texts = [text for _, text in graph.nodes(data="text")]
    assert {"x", "weight", "s2 p1"} <= set(texts)
    assert len(graph.edges) == 6  # c, i, k between operands; n, d, o open


def test_a_label_on_three_operands_is_a_star() -> None:
    network = tnconv.networks.conv((2, 4, 9), (4, 2, 3), groups=2)
    graph = as_graph(network, networkx.Graph())
    hubs = [node for node, kind in graph.nodes(data="kind") if kind == "label"]
    assert hubs == [("label", "g")]  # input, weight and output
    assert graph.degree(hubs[0]) == 3


def test_padding_modes_and_files(tmp_path: Path) -> None:
    network = tnconv.networks.conv(
        (2, 4, 9), (6, 4, 3), padding=1, padding_mode="reflect"
    )
    draw(network, tmp_path / "one.png")
    draw(photo_network((3, 32, 32)), tmp_path / "three.png")
    for name in ("one.png", "three.png"):
        with Image.open(tmp_path / name) as image:
            low, high = image.convert("L").getextrema()
        assert low != high  # something was drawn


def test_axes_of_the_caller_are_used() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert draw(tnconv.networks.conv((1, 2, 9), (3, 2, 3)), ax=ax) is ax


def test_without_networkx_the_error_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingDependencyError, match=r"tnconv\[draw\]"):
        draw(tnconv.networks.conv((1, 2, 9), (3, 2, 3)))


def test_an_expression_draws_its_network(tmp_path: Path) -> None:
    network = tnconv.networks.conv((2, 4, 9), (6, 4, 3))
    target = tmp_path / "expression.png"
    tnconv.expression(network).draw(str(target))
    with Image.open(target) as image:
        assert min(image.size) > 100
