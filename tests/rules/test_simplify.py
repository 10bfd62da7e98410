"""Simplification as a whole: every class on every operation, the loop, the trace."""

from itertools import product
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings

from tnconv.edits import pair, remove, transpose
from tnconv.errors import NetworkError
from tnconv.network import Network, SubNetwork
from tnconv.notation import parse
from tnconv.rewrite import (
    Rule,
    alternatives,
    default_alternatives,
    default_rules,
    simplify,
)
from tnconv.testing import evaluate, integer_arrays, networks
from tnconv_rules import ALTERNATIVES, STANDARD
from tnconv_rules.effect_table import CASES, Case, case_networks


def assert_same(before: Network, after: Network) -> None:
    arrays = integer_arrays(before)
    assert before.shape == after.shape
    assert np.array_equal(evaluate(before, arrays), evaluate(after, arrays)), after


def rules_of(network: Network) -> list[str]:
    return [name for name, _ in simplify(network).trace]


def patterns_left(network: Network) -> int:
    return len(simplify(network).network.patterns)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(networks())
def test_simplification_keeps_the_value_and_ends(network: Network) -> None:
    once = simplify(network)
    assert_same(network, once.network)
    assert simplify(once.network).trace == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_effect_on_every_operation(case: Case) -> None:
    for name, network in case_networks(case).items():
        left = simplify(network).network
        expected = 2 * (1 + name.count("KFAC")) if case.kernel == 3 else 0
        assert len(left.patterns) == expected, name
        assert len(left.inputs) == len(network.inputs), name
        assert_same(network, left)


# ---- classes in one dimension, through three operations ------------------------------


def operations(size: int, o: int, k: int, s: int, d: int, p: int) -> list[Network]:
    """Forward, the two VJPs, unfolded input Gram matrices of one convolution."""
    text = f"x: n c i, i ~ {s} o + {d} k {-p:+d}, w: d c k -> n d o"
    forward = parse(text, shapes={"x": (2, 2, size), "w": (2, 2, k)}, sizes={"o": o})
    unfold = forward.with_operands(
        forward.operands[:2], (*forward.output[::2], *forward.inputs[1].axes[1:])
    )
    factor = ("c", "k", "c'", "k'")
    return [
        forward,
        transpose(forward, "w", "v"),
        transpose(forward, "x", "v"),
        remove(forward, "x"),
        pair(unfold, shared=("n", "o"), output=factor),
        pair(unfold, shared=("n",), output=factor),
    ]


# name of the rule -> size, o, k, stride, dilation, padding
CLASSES = {
    "pointwise": (7, 3, 1, 3, 2, 0),
    "fully-connected": (7, 1, 3, 4, 2, 0),
    "dense": (6, 3, 2, 2, 1, 0),
    "dense-remainder": (8, 3, 2, 2, 1, 0),
    "dense-padded": (7, 3, 3, 3, 1, 1),
    "dilated-dense": (6, 3, 2, 1, 3, 0),
    "down-sampling": (9, 3, 2, 3, 1, 0),
    "non-overlapping": (11, 3, 2, 4, 2, 2),
    "non-overlapping-taps": (9, 2, 3, 2, 4, 2),
    "single-input": (1, 3, 3, 1, 1, 2),
    "common-step": (9, 3, 3, 2, 2, 1),
    "trim-kernel": (3, 3, 5, 1, 1, 3),
    "trim-output": (4, 6, 2, 1, 1, 3),
    "trim-input": (9, 3, 3, 2, 1, 1),
}
KEEP_A_PATTERN = {"common-step", "trim-kernel", "trim-output", "trim-input"}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    """The rule fires on all operations (down-sampling has a twin for the output)."""
    for network in operations(*CLASSES[name]):
        simplified = simplify(network)
        fired = {rule for rule, _ in simplified.trace}
        assert name in fired or (
            name == "down-sampling" and "zero-stuffing" in fired
        ), simplified.trace
        assert_same(network, simplified.network)
        left = len(simplified.network.patterns)
        assert (left > 0) == (name in KEEP_A_PATTERN), simplified.network


def test_all_small_convolutions_keep_their_value() -> None:
    count = 0
    grid = product((1, 2, 5), (1, 3), (1, 2), (1, 2), (1, 2), (-1, 0, 2))
    for size, o, k, s, d, p in grid:
        for network in operations(size, o, k, s, d, p):
            assert_same(network, simplify(network).network)
            count += 1
    assert count == 6 * 144


# ---- preconditions ------------------------------------------------------------------

# Each of these would be wrong without the precondition it is named after.
DECLINED = {
    "a neighbor on the axis": "(c i), i ~ 2 o + k - 1, c k -> o",
    "input label on another pattern": "i, i ~ 2 o + k, i ~ p + l - 1, k l -> o p",
    "mask without an input": "k o, i ~ 2 o + k - 1 -> o; i=4",
    "a padding mode in between": "r, i = reflect(r, 1, 1), i ~ 2 o + k, k -> o",
}
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "a neighbor on the axis": [(8,), (2, 2)],
    "input label on another pattern": [(6,), (2, 2)],
    "mask without an input": [(2, 3)],
    "a padding mode in between": [(4,), (2,)],
}


@pytest.mark.parametrize("name", DECLINED)
def test_declined(name: str) -> None:
    sizes = {"c": 2, "o": 3} if name.startswith("a neighbor") else {}
    network = parse(DECLINED[name], shapes=SHAPES[name], sizes=sizes)
    left = simplify(network).network
    assert left.patterns
    assert_same(network, left)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(("padding", "size", "outputs"), [(1, 3, 2), (0, 5, 3)])
def test_a_neighbor_one_position_away_is_an_obstacle(
    sign: str, padding: int, size: int, outputs: int
) -> None:
    """Out of range by one, on one side; the other label brings it back by one."""
    offset = size - 1 if sign else 0
    network = parse(
        f"[{sign} i + j + {offset}], i ~ 2 o + k - {padding}, j k -> o",
        shapes=[(size + 1,), (2, 2)],
        sizes={"i": size, "o": outputs},
    )
    left = simplify(network).network
    assert left.patterns
    assert_same(network, left)


def test_a_neighbor_whose_step_is_wide_enough_is_no_obstacle() -> None:
    """The outer label of a composite leaves the axis on either side."""
    network = parse(
        "(i c), i ~ 2 o + k - 1, c k -> o",
        shapes=[(8,), (2, 2)],
        sizes={"o": 3, "c": 2},
    )
    assert not simplify(network).network.patterns
    assert_same(network, simplify(network).network)


def test_bounds_are_tightened_where_positions_would_leak() -> None:
    """The array goes on past the label's range: what lies there must not be read."""
    network = parse(
        "[i + 2], i ~ 2 o + k - 1, k -> o", shapes=[(9,), (2,)], sizes={"i": 4, "o": 3}
    )
    left = simplify(network).network
    assert not left.patterns
    (axis,) = left.inputs[0].axes
    assert (axis.low, axis.high) == (2, 6)
    assert_same(network, left)


def test_pointwise_patterns_compose_with_other_patterns() -> None:
    chain = parse(
        "i, i ~ 2 o, o ~ p + l, l -> p", shapes=[(9,), (2,)], sizes={"o": 5, "p": 4}
    )
    left = simplify(chain).network
    assert len(left.patterns) == 1
    assert_same(chain, left)
    shared = parse("i ~ o, i ~ p + l, p l -> o; o=3 i=5", shapes=[(4, 2)])
    assert len(simplify(shared).network.patterns) == 1
    assert_same(shared, simplify(shared).network)


def test_functional_dependency_gives_a_square() -> None:
    """Two inputs under one window at the same place: one pattern, one label."""
    network = parse(
        "n c i, n c j, i ~ o + k - 1, j ~ o + k - 1 -> c k",
        shapes=[(2, 3, 6), (2, 3, 6)],
        sizes={"o": 6, "k": 3},
    )
    simplified = simplify(network)
    assert "third-label" in rules_of(network)
    assert len(simplified.network.patterns) == 1
    assert_same(network, simplified.network)


def test_labels_of_one_more_pattern_are_not_identified() -> None:
    """``i`` and ``j`` are equal, but no pattern has one label on two legs."""
    network = parse(
        "x: i, y: j, i ~ o + k, j ~ o + k, m ~ i + j, z: m -> o",
        sizes={"i": 4, "j": 4, "o": 3, "k": 2, "m": 7},
    )
    assert "third-label" not in rules_of(network)
    assert_same(network, simplify(network).network)


# ---- the loop ------------------------------------------------------------------------


def test_sub_networks_are_seen_by_the_rules_and_simplified_inside() -> None:
    spliced = parse("{i, i ~ 2 o, m -> o m}: o m, o -> m", shapes=[(6,), (4,), (3,)])
    assert not simplify(spliced).network.patterns
    assert_same(spliced, simplify(spliced).network)
    kept = parse("{i, i ~ 2 o -> o}: [a + 1], a -> a", shapes=[(6,), (2,)], sizes={})
    simplified = simplify(kept)
    assert isinstance(simplified.network.operands[0], SubNetwork)
    assert not simplified.network.operands[0].network.patterns
    assert simplified.trace[0] == ("pointwise", "in operand 0: i ~ 2 o")
    assert_same(kept, simplified.network)


def test_the_trace_says_where() -> None:
    network = parse("n c i, i ~ 4 o + k, d c k -> n d o", shapes=[(1, 3, 9), (5, 3, 4)])
    assert simplify(network).trace == (
        ("dense-remainder", "i ~ 4 o + k"),
        ("squeeze", "labels n"),
    )


def test_rules_that_keep_firing_are_named() -> None:
    def back_and_forth(network: Network) -> Network:
        return network.rename({"a": "b"} if "a" in network.sizes else {"b": "a"})

    network = parse("a -> a", shapes=[(3,)])
    endless = Rule("back-and-forth", "test", back_and_forth, "never ends")
    with pytest.raises(NetworkError, match="keep firing: back-and-forth"):
        simplify(network, (endless,))
    assert simplify(network, ()).network == network


def test_lookup_finds_the_shipped_rules() -> None:
    assert default_rules()[: len(STANDARD)] == STANDARD
    assert default_alternatives()[: len(ALTERNATIVES)] == ALTERNATIVES
    names = [rule.name for rule in STANDARD]
    assert len(set(names)) == len(names)
    assert all(rule.doc and rule.family for rule in STANDARD)


def test_simplification_is_fast() -> None:
    """A two-dimensional convolution takes about a millisecond or less."""
    network = case_networks(CASES[0])["forward"]
    simplify(network)
    times = []
    for _ in range(20):
        start = perf_counter()
        simplify(network)
        times.append(perf_counter() - start)
    assert min(times) < 5e-3  # an order of magnitude over what it takes


def test_alternatives_have_the_value_of_the_network() -> None:
    network = case_networks(CASES[2])["forward"]
    found = alternatives(network)
    assert [label for label, _ in found[:2]] == ["as built", "simplified"]
    assert found[0][1] == network
    assert found[1][1] == simplify(network).network
    assert len({other for _, other in found}) == len(found)
    general = parse("a b, b c -> a c", shapes=[(2, 3), (3, 4)])
    assert alternatives(general) == (("as built", general),)
