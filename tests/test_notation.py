"""Notation: what each form means, both ways, and the messages of mistakes."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tnconv.axis import Axis
from tnconv.errors import NotationError
from tnconv.network import Input, Network, Pattern, Reindex, SubNetwork
from tnconv.notation import parse, to_text
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap, Piece
from tnconv.testing import networks


def test_convolution() -> None:
    net = parse(
        "n c i, i ~ 2 o + 3 k - 1, d c k -> n d o", shapes=[(8, 3, 16), (4, 3, 3)]
    )
    x, pattern, w = net.operands
    sizes = {"n": 8, "c": 3, "i": 16, "o": 6, "d": 4, "k": 3}
    assert net.sizes == sizes
    assert pattern == Pattern(IndexPattern(16, 6, 3, 2, 3, 1), "i", "o", "k")
    plain = {a: Axis(n, ((a, 1),)) for a, n in sizes.items()}
    assert x == Input("x0", (plain["n"], plain["c"], plain["i"]))
    assert w == Input("x1", (plain["d"], plain["c"], plain["k"]))
    assert net.output == (plain["n"], plain["d"], plain["o"])
    assert net.scale == 1


def test_default_output_size_is_that_of_an_unpadded_end() -> None:
    """floor((I + P - D(K-1) - 1) / S) + 1, held against counting."""
    for size, kernel, stride, dilation, padding in np.ndindex(8, 3, 3, 2, 3):
        size, kernel, stride, dilation = size + 5, kernel + 1, stride + 1, dilation + 1
        text = f"i, k, i ~ {stride} o + {dilation} k - {padding} -> o"
        net = parse(text, shapes=[(size,), (kernel,)])
        fits = [
            o
            for o in range(40)
            if stride * o + dilation * (kernel - 1) - padding < size
        ]
        assert net.sizes["o"] == len(fits)


def test_composites_and_views() -> None:
    net = parse(
        "a: n (g c) [2 o - k + 3 | 1:7], b: () [o] -> [- o + 5 | of 9] (n g c) k",
        shapes={"a": (2, 6, 8), "b": (1, 9)},
        sizes={"g": 2, "o": 3, "k": 2},
    )
    a, b = net.inputs
    assert net.sizes["c"] == 3
    assert a.axes[1] == Axis(6, (("g", 3), ("c", 1)))
    assert a.axes[2] == Axis(8, (("o", 2), ("k", -1)), 3, 1, 7)
    assert b.axes == (Axis(1, ()), Axis(9, (("o", 1),)))
    assert net.output[0] == Axis(9, (("o", -1),), 5)
    assert net.output[1] == Axis(12, (("n", 6), ("g", 3), ("c", 1)))


def test_written_view_is_as_long_as_it_reaches() -> None:
    net = parse("o -> [3 o + 1]", shapes=[(4,)])
    assert net.shape == (11,)
    assert parse("o -> [o | 0:3]", shapes=[(4,)]).shape == (3,)


def test_names_conjugates_scales_and_quotes() -> None:
    text = 'conj w: a, a, conj: a, "layer1.weight": "batch size" a\' -> -3/8 * a'
    shapes = {"w": (2,), "x1": (2,), "conj": (2,), "layer1.weight": (3, 1)}
    net = parse(text, shapes=shapes)
    assert [op.name for op in net.inputs] == list(shapes)
    assert [op.conjugate for op in net.inputs] == [True, False, False, False]
    assert net.sizes == {"a": 2, "batch size": 3, "a'": 1}
    assert net.scale == Fraction(-3, 8)
    assert parse(to_text(net), shapes=net.arguments) == net


def test_pattern_without_a_kernel() -> None:
    net = parse("i, i ~ 2 o + 1 -> o", shapes=[(7,)])
    assert net.patterns == (Pattern(IndexPattern(7, 3, 1, 2, 1, -1), "i", "o", "o_k"),)
    assert to_text(net) == "i, i ~ 2 o + 1 -> o"
    taken = parse("i o_k, i ~ o -> o o_k", shapes=[(7, 4)])
    assert taken.patterns[0].kernel == "o_k'"
    assert taken.sizes["o_k'"] == 1


def test_padding_modes() -> None:
    net = parse("i, p = reflect(i, 1, 2) -> p", shapes=[(5,)])
    reflect = IndexMap.padding("reflect", 5, 1, 2)
    assert net.operands[1] == Reindex(reflect, "i", "p")
    back = parse("p, p = circular(i, 1, 2) -> i", shapes=[(8,)])
    assert back.sizes == {"p": 8, "i": 5}
    net = parse("i, p = pieces(i, 3:-1:2, 0:2:2) -> p", shapes=[(5,)])
    pieces = (Piece(3, -1, 2), Piece(0, 2, 2))
    assert net.operands[1] == Reindex(IndexMap(5, pieces), "i", "p")
    assert to_text(net) == "i, p = pieces(i, 3:-1:2, 0:2:2) -> p"


def test_sub_network_has_labels_of_its_own() -> None:
    net = parse(
        "{i, i ~ o -> o; o=2}: i, i c -> c", shapes=[(4,), (2, 3)], sizes={"c": 3}
    )
    sub = net.operands[0]
    assert isinstance(sub, SubNetwork)
    assert sub.network.sizes == {"i": 4, "o": 2, "o_k": 1}
    assert net.sizes == {"i": 2, "c": 3}
    assert list(net.arguments) == ["x0", "x1"]
    assert parse(to_text(net), shapes=net.arguments, sizes=net.sizes) == net


def test_sizes_come_from_the_caller_or_the_text() -> None:
    for net in (
        parse("o, i ~ o + k, k -> i; i=9", shapes=[(4,), (2,)]),
        parse("o, i ~ o + k, k -> i", shapes=[(4,), (2,)], sizes={"i": 9, "z": 3}),
    ):
        assert net.sizes == {"o": 4, "k": 2, "i": 9}
    assert parse("n, m -> ; n=2 m=3").shape == ()
    assert parse("-> n; n=2").shape == (2,)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(networks())
def test_round_trip(network: Network) -> None:
    network = Network.build(
        network.operands, network.output, network.sizes, network.scale
    )
    text = to_text(network)
    assert text == str(network)
    again = parse(text, sizes=network.sizes, shapes=network.arguments)
    assert again == network


def shown(text: str, **given: Any) -> tuple[str, int]:
    """The first line of the message, and the column under which the caret stands."""
    with pytest.raises(NotationError) as caught:
        parse(text, **given)
    message, line, caret = str(caught.value).split("\n")
    assert line == f"  {text}"
    assert caret.strip() == "^"
    return message, caret.index("^") - 2


MISTAKES = [
    ("n c i i ~ o -> n", "~", "expected"),
    ("n c", "", "expected ',' and another operand, or '->'"),
    ("n c -> n $", "$", "'$' is not part of the notation"),
    ("(n c -> n", "->", "expected a label or ')', found '->'"),
    ("(n n) -> n", "(", "every label of a composite once"),
    ("[2 a + a] -> a", "a] ->", "another label"),
    ("[2 a +] -> a", "] ->", "a label or a number"),
    ("[a | 1] -> a", "] ->", "':' between the two bounds"),
    ("[a b] -> a", "b] ->", "'+', '-', '|' or ']'"),
    ("i ~ o + k + l -> o", "i ~", "expected a pattern"),
    ("i ~ - o + k -> o", "i ~", "positive stride"),
    ("p = mirror(i, 1, 2) -> p; i=5 p=8", "p =", "'mirror' is not one of"),
    ("p = reflect(i, 1) -> p", "p =", "expected two widths"),
    ("p = pieces(i, 1:2) -> p", "p =", "start:step:length"),
    ("p = reflect(i, 1, 5) -> p; i=3", "p =", "does not fit an input of size 3"),
    ("{a -> a: b -> b", ": b ->", "'}' after the sub-network"),
    ("{a -> a} b -> b", "b -> b", "':' and the axes that read"),
    ("n -> 1/8 n", "n", "'*' between"),
    ("n -> n; n=2 m=3", "m=3", "a label of an operand or of the output"),
    ("n -> n; n", "", "'=' and the size"),
    ("n -> n -> n", "-> n", "the end of the text, found '->'"),
    ("n -> n m; n=2", "m;", "label 'm' has no size"),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: str(case[0]))
def test_mistakes_are_shown_in_their_place(case: tuple[str, str, str]) -> None:
    text, place, expected = case
    message, column = shown(text)
    assert expected in message
    assert column == (text.rindex(place) if place else len(text))


def test_shapes_that_do_not_fit_are_shown() -> None:
    message, column = shown("a b, b c -> a c", shapes=[(2, 3), (4, 5)])
    assert "an axis of size 4 does not fit b=3" in message
    assert column == 5
    message, _ = shown("(g c) g -> c", shapes=[(7, 2)])
    assert "an axis of size 7 does not fit g=2, c=unknown" in message
    message, _ = shown("a b -> a", shapes=[(2,)])
    assert "input 'x0' has 1 axes (shape (2,)), the text 2" in message
    message, _ = shown("a b -> a", shapes=[(2,), (3,)])
    assert "the text has 1 arrays, got 2" in message
    message, column = shown("i, i ~ o + k, k -> o", shapes=[(2,), (5,)])
    assert "no output position fits" in message
    assert column == 3
    message, column = shown("n i, i ~ o + k, k -> n o", shapes={"x0": (2, 9)})
    assert "label 'k' has no size" in message


def test_the_line_with_the_mistake_is_shown() -> None:
    with pytest.raises(NotationError) as caught:
        parse("n c i,\ni ~ 2 o ? k,\nd c k -> n d o")
    assert str(caught.value).split("\n")[1:] == ["  i ~ 2 o ? k,", "          ^"]
