"""Axes, networks and splicing: what is well formed, and what it means."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tnconv.axis import Axis
from tnconv.errors import NetworkError
from tnconv.network import Input, Network, Pattern, Reindex, SubNetwork
from tnconv.notation import parse
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap
from tnconv.splice import splice_all
from tnconv.testing import evaluate, integer_arrays


def plain(sizes: dict[str, int], labels: str) -> tuple[Axis, ...]:
    return tuple(Axis(sizes[a], ((a, 1),)) for a in labels.split())


# ---- axes ----------------------------------------------------------------------------


def test_axis_positions() -> None:
    sizes = {"a": 3, "b": 4}
    axis = Axis(20, (("a", 5), ("b", -1)), offset=4)
    at = [axis.offset + 5 * a - b for a in range(3) for b in range(4)]
    assert axis.reach(sizes) == (min(at), max(at))
    assert axis.in_bounds(sizes)
    assert not Axis(20, axis.terms, 4, 2, 20).in_bounds(sizes)
    assert (axis.step("a"), axis.step("b"), axis.step("c")) == (5, -1, 0)


def test_axis_kinds() -> None:
    sizes = {"a": 3, "b": 4, "one": 1}
    assert Axis(3, (("a", 1),)).is_plain(sizes)
    assert not Axis(4, (("a", 1),)).is_plain(sizes)
    assert not Axis(3, (("a", 1),), low=1).is_plain(sizes)
    assert Axis(1, ()).is_plain(sizes)
    composite = Axis.of(12, "a", "b", sizes=sizes)
    assert composite.terms == (("a", 4), ("b", 1))
    assert composite.is_composite(sizes)
    assert not Axis(12, (("b", 1), ("a", 4))).is_composite(sizes)
    assert not Axis.of(13, "a", "b", sizes=sizes).is_composite(sizes)


def test_axis_substitution_keeps_positions() -> None:
    axis = Axis(40, (("a", 3), ("b", 1)), offset=2)
    new = axis.substitute("a", (("c", 2), ("b", -1)), 5)
    for b, c in np.ndindex(3, 4):
        a = 2 * c - b + 5
        steps = dict(new.terms)
        assert new.offset + steps["b"] * b + steps["c"] * c == 2 + 3 * a + b
    gone = axis.substitute("a", (("b", -1),), 0).substitute("b", (), 1)
    assert gone == Axis(40, (), 2 - 3 + 1)
    assert axis.substitute("z", (), 1) is axis


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Axis(3, (), low=2, high=1),
        lambda: Axis(3, (), high=4),
        lambda: Axis(-1, ()),
        lambda: Axis(3, (("a", 1), ("a", 2))),
    ],
)
def test_impossible_axes_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(NetworkError, match="axis"):
        wrong()


# ---- networks ------------------------------------------------------------------------

SIZES = {"i": 6, "o": 4, "k": 3, "c": 2}
X = Input("x", plain(SIZES, "c i"))
P = Pattern(IndexPattern(6, 4, 3), "i", "o", "k")
OUT = plain(SIZES, "c o k")


def test_questions() -> None:
    network = Network.build([X, P], OUT, {**SIZES, "unused": 9})
    assert network.sizes == SIZES
    assert network.inputs == (X,)
    assert network.patterns == (P,)
    assert network.arguments == {"x": (2, 6)}
    assert network.shape == (2, 4, 3)
    assert network.output_labels == ("c", "o", "k")
    assert network.holders("i") == (0, 1)
    assert network.occurs_only_in("i", 1) is False
    assert Network.build([P], OUT, SIZES).occurs_only_in("i", 0)
    assert network.fresh("i") not in {*SIZES, ""}
    assert network.fresh("z") == "z"
    assert str(network) == "x: c i, i ~ o + k -> c o k"


def test_networks_are_values() -> None:
    one, two = (Network.build([X, P], OUT, SIZES) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != Network.build([X, P], OUT, SIZES, 2)
    with pytest.raises(AttributeError):
        one.scale = Fraction(2)  # type: ignore[misc]


def test_rename_and_canonical() -> None:
    network = Network.build([X, P], OUT, SIZES)
    renamed = network.rename({"i": "o", "o": "i"})
    assert renamed != network
    assert renamed.canonical() == network.canonical()
    assert set(network.canonical().sizes) == {"l0", "l1", "l2", "l3"}
    with pytest.raises(NetworkError, match="merge"):
        network.rename({"i": "o"})


@pytest.mark.parametrize("sizes", [{"a": 2, "b": 3}, {"b": 3, "a": 2, "c": 5}])
def test_without_is_tidy_and_means_the_same(sizes: dict[str, int]) -> None:
    """Labels that stand nowhere become a factor, the others are in order; once."""
    x = Input("x", plain({"a": 2, "b": 3}, "a b"))
    network = Network((x,), plain(sizes, "b"), tuple(sizes.items()))
    less = network.without()
    assert less == Network.build((x,), network.output, sizes, sizes.get("c", 1))
    assert less.without() is less
    assert (network.without() is network) == (list(sizes) == ["a", "b"])


def test_without_scales_by_labels_that_vanish() -> None:
    network = parse("a b, b c -> a", shapes=[(2, 3), (3, 4)])
    less = network.without(1)
    assert less.scale == 4
    assert less.sizes == {"a": 2, "b": 3}


def wrong_networks() -> list[tuple[str, Any, Any, dict[str, int]]]:
    reindex = Reindex(IndexMap.padding("reflect", 6, 1, 1), "i", "o")
    twice = Pattern(IndexPattern(6, 6, 3), "i", "i", "k")
    inner = Network.build([X], plain(SIZES, "c i"), SIZES)
    return [
        ("has no size", (X,), OUT, {"c": 2, "i": 6}),
        ("its kernel leg 'k'", (X, P), OUT, {**SIZES, "k": 2}),
        ("its output leg 'o'", (X, reindex), (), SIZES),
        (
            "one label on two legs",
            (twice,),
            (),
            SIZES,
        ),
        ("has size -1", (X,), (), {"c": -1, "i": 6}),
        ("shapes", (X, Input("x", plain(SIZES, "i"))), (), SIZES),
        ("not a label", (Input("y", (Axis(1, (("", 1),)),)),), (), {"": 1}),
        ("its result is", (SubNetwork(inner, plain(SIZES, "c")),), (), SIZES),
    ]


@pytest.mark.parametrize("case", wrong_networks(), ids=lambda case: str(case[0]))
def test_malformed_networks_are_refused(
    case: tuple[str, Any, Any, dict[str, int]],
) -> None:
    message, operands, output, sizes = case
    with pytest.raises(NetworkError, match=message):
        Network.build(operands, output, sizes)


# ---- meaning -------------------------------------------------------------------------


SHAPES = {"a": (2, 6, 5), "w": (2, 3, 3)}


def test_meaning_is_the_written_sum() -> None:
    """A network with everything in it, against loops written for it alone."""
    text = "a: n (g c) i, i ~ 2 o + k - 1, conj w: g c k -> 3/2 * n [2 o | of 9] g g m"
    network = parse(text, shapes=SHAPES, sizes={"m": 2, "o": 3})
    random = np.random.default_rng(0)
    a = random.integers(-3, 4, (2, 6, 5)) + 1j * random.integers(-3, 4, (2, 6, 5))
    w = random.integers(-3, 4, (2, 3, 3)) + 1j * random.integers(-3, 4, (2, 3, 3))
    expected = np.zeros((2, 9, 2, 2, 2), complex)
    for n, o, g, m, c, k in np.ndindex(2, 3, 2, 2, 3, 3):
        i = 2 * o + k - 1
        if 0 <= i < 5:
            value = a[n, 3 * g + c, i] * np.conj(w[g, c, k])
            expected[n, 2 * o, g, g, m] += 1.5 * value
    assert np.array_equal(evaluate(network, {"a": a, "w": w}), expected)


def test_out_of_bounds_reads_zero_and_is_dropped() -> None:
    network = parse(
        "[a - 1 | 1:4] -> [2 a - 2 | 1:7 of 8]", shapes=[(5,)], sizes={"a": 6}
    )
    x = np.array([3, 5, 7, 11, 13])
    expected = np.zeros(8, int)
    for a in range(6):
        if 1 <= a - 1 < 4 and 1 <= 2 * a - 2 < 7:
            expected[2 * a - 2] += x[a - 1]
    assert expected.tolist() == [0, 0, 5, 0, 7, 0, 11, 0]
    assert np.array_equal(evaluate(network, {"x0": x}), expected)


def test_padding_mode_and_its_transpose() -> None:
    shapes = [(2, 5)]
    network = parse("n i, p = reflect(i, 2, 1) -> n p", shapes=shapes)
    x = np.arange(10).reshape(2, 5)
    padded = np.pad(x, ((0, 0), (2, 1)), mode="reflect")
    assert np.array_equal(evaluate(network, {"x0": x}), padded)
    back = parse("n p, p = reflect(i, 2, 1) -> n i", shapes=[(2, 8)])
    y = np.arange(16).reshape(2, 8)
    folded = y[:, 2:7].copy()
    folded[:, [2, 1, 3]] += y[:, [0, 1, 7]]
    assert np.array_equal(evaluate(back, {"x0": y}), folded)


# text, shapes by position, sizes, sub-networks left
SPLICES: list[tuple[str, list[tuple[int, ...]], dict[str, int], int]] = [
    ("{a r, b r -> a b}: d c, n c -> n d", [(3, 2), (3, 2), (2, 3)], {}, 0),
    ("{a r, b r -> (a b)}: (d c), n c d -> n", [(3, 2), (3, 2), (2, 3, 3)], {}, 0),
    ("{a r, b r -> 1/2 * a b}: a r, r -> a", [(3, 2), (3, 2), (3,)], {}, 0),
    ("{a r, b r -> a b}: a a, a -> a", [(3, 2), (3, 2), (3,)], {}, 1),
    ("{a r, b r -> a b}: [a + 1] b, a -> b", [(3, 2), (3, 2), (2,)], {}, 1),
    ("{a r, b r -> a a b}: a b c, b -> c", [(3, 2), (3, 2), (3,)], {}, 1),
    ("{a r, b r -> a m b; m=2}: a m c, c -> a", [(3, 2), (3, 2), (3,)], {}, 0),
    (
        "{{a s, s r -> a r}: a r, b r -> a b}: d c, n c -> n d",
        [(3, 2), (2, 4), (3, 4), (2, 3)],
        {},
        0,
    ),
]


@pytest.mark.parametrize("case", SPLICES, ids=lambda case: str(case[0]))
def test_splicing_keeps_the_value(
    case: tuple[str, list[tuple[int, ...]], dict[str, int], int],
) -> None:
    text, shapes, sizes, left = case
    network = parse(text, shapes=shapes, sizes=sizes)
    flat = splice_all(network)
    assert sum(isinstance(op, SubNetwork) for op in flat.operands) == left
    arrays = integer_arrays(network)
    assert np.array_equal(evaluate(network, arrays), evaluate(flat, arrays))
