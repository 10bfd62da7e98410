"""Alternatives are other networks of the same value, and give what they promise."""

from random import Random

import numpy as np
import pytest
from hypothesis.strategies import integers

from tnconv.edits import replace, restrict, transpose
from tnconv.network import Network
from tnconv.networks import conv_weight_vjp
from tnconv.notation import parse
from tnconv.rewrite import Alternative, Rule, alternatives, simplify
from tnconv.testing import check_rule, evaluate, integer_arrays, networks
from tnconv_rules import ALTERNATIVES
from tnconv_rules.alternatives import ALIGNED, COMPOSED, SPLIT, TRANSPOSED, UNIT_STRIDE


def assert_same(before: Network, after: Network) -> None:
    arrays = integer_arrays(before)
    assert np.array_equal(evaluate(before, arrays), evaluate(after, arrays)), after


def rows(seed: int) -> Network:
    """Two patterns in a row, or the gradient of that."""
    random = Random(seed)
    s1, d1, k1, p1 = (random.choice(range(*ends)) for ends in ENDS)
    s2, d2, k2, p2 = (random.choice(range(*ends)) for ends in ENDS)
    size = random.choice((5, 8, 11))
    middle = random.choice((3, 5, 9))
    fits = max(1, (middle + p2 - d2 * (k2 - 1) - 1) // s2 + 1)
    text = (
        f"x: n i, i ~ {s1} o + {d1} k {-p1:+d}, w: k r, "
        f"o ~ {s2} p + {d2} l {-p2:+d}, u: r l -> n p"
    )
    sizes = {"n": 2, "i": size, "o": middle, "p": fits, "k": k1, "l": k2, "r": 2}
    network = parse(text, sizes=sizes)
    return network if random.random() < 0.5 else transpose(network, "x", "v")


def readers(seed: int) -> Network:
    """Two arrays under one pattern."""
    random = Random(seed)
    stride, dilation, kernel, padding = (random.choice(range(*e)) for e in ENDS)
    size = random.choice((5, 8, 11))
    fits = max(1, (size + padding - dilation * (kernel - 1) - 1) // stride + 1)
    text = f"n i, i c, i ~ {stride} o + {dilation} k {-padding:+d}, k -> n c o"
    sizes = {"n": 2, "c": 2, "i": size, "o": fits, "k": kernel}
    return parse(text, sizes=sizes)


def opposite(seed: int) -> Network:
    """A pattern with a stride, and one of stride 1 that runs the other way."""
    random = Random(seed)
    stride, kernel, padding = (random.choice(range(*e)) for e in (ENDS[0], *ENDS[2:]))
    taps, dilation, low = (random.choice(range(*e)) for e in (ENDS[2], *ENDS[1::2]))
    text = (
        f"x: n i j, i ~ {stride + 1} o + k {-padding:+d}, y: m o p, "
        f"p ~ j + {dilation} l {-low:+d} -> n m k l"
    )
    sizes = {"n": 2, "m": 2, "i": 7, "j": 5, "o": 3, "p": 6, "k": kernel, "l": taps}
    return parse(text, sizes=sizes)


SEEDS = integers(0, 2**32)
ENDS = ((1, 4), (1, 3), (1, 4), (-1, 3))  # stride, dilation, kernel, padding


@pytest.mark.parametrize("alternative", ALTERNATIVES, ids=lambda a: a.name)
def test_alternative_keeps_the_value(alternative: Alternative) -> None:
    def first(network: Network) -> Network | None:
        return next(iter(alternative.apply(network)), None)

    as_rule = Rule(alternative.name, "alternatives", first, alternative.doc)
    drawn = networks() | SEEDS.map(rows) | SEEDS.map(readers) | SEEDS.map(opposite)
    assert check_rule(as_rule, drawn, examples=300) > 0


def strided(size: int, padding: int, channels: int = 2) -> Network:
    text = f"x: n c i, i ~ 2 o + k - {padding}, w: d c k -> n d o"
    shapes = {"x": (2, channels, size), "w": (3, channels, 3)}
    return parse(text, shapes=shapes, sizes={"o": (size + 2 * padding - 3) // 2 + 1})


def only(alternative: Alternative, network: Network) -> Network:
    (found,) = alternative.apply(network)
    assert_same(network, found)
    return found


def test_space_to_depth_has_stride_one_both_ways() -> None:
    for size, padding in ((8, 1), (9, 0), (7, 2)):
        forward = strided(size, padding)
        for network in (
            forward,
            transpose(forward, "x", "v"),
            transpose(forward, "w", "v"),
        ):
            (pattern,) = only(UNIT_STRIDE, network).patterns
            index = pattern.index
            assert (index.stride, index.dilation, index.kernel) == (1, 1, 2)


def test_space_to_depth_asks_for_zeros_past_the_kernel() -> None:
    """The fourth of three taps must not be the first one of the next channel."""
    text = "x: c i, i ~ 2 o + k - 1, w: ({}) -> o"
    shapes = {"x": (2, 8), "w": (6,)}
    inner, outer = (
        parse(text.format(axis), shapes=shapes, sizes={"k": 3, "o": 4})
        for axis in ("c k", "k c")
    )
    assert list(UNIT_STRIDE.apply(inner)) == []
    assert only(UNIT_STRIDE, outer).patterns[0].index.stride == 1


def test_dilation_to_batch_has_dilation_one() -> None:
    network = parse(
        "x: c i, i ~ o + 3 k - 3, w: d c k -> d o",
        shapes={"x": (2, 8), "w": (2, 2, 3)},
        sizes={"o": 8},
    )
    found = dict(alternatives(network))["unit dilation"]
    assert found.patterns[0].index.dilation == 1
    assert_same(network, found)


def test_an_input_gradient_becomes_a_convolution() -> None:
    forward = parse(
        "x: n c i, i ~ o + 2 k - 1, w: d c k -> n d o",
        shapes={"x": (2, 2, 8), "w": (3, 2, 3)},
        sizes={"o": 6},
    )
    gradient = transpose(forward, "x", "v")
    (pattern,) = only(TRANSPOSED, gradient).patterns
    assert (pattern.input, pattern.output) == ("o", "i")
    assert pattern.index.padding == 2 * 2 - 1
    assert list(TRANSPOSED.apply(forward)) == []


def test_a_step_on_an_input_and_a_plain_axis_run_alike() -> None:
    whole = conv_weight_vjp((2, 3, 8, 8), (2, 4, 8, 8), 3, padding=1)
    found = only(ALIGNED, restrict(whole, "i0", 1, 4, 2))
    assert [(p.input[0], p.output[0]) for p in found.patterns] == [("o", "i")] * 2
    assert list(ALIGNED.apply(whole)) == []


def test_split_undoes_the_common_pattern() -> None:
    network = parse(
        "x: c i, y: d i, i ~ o + k -> c d k", shapes=[(2, 6), (3, 6)], sizes={"k": 3}
    )
    found = only(SPLIT, network)
    assert len(found.patterns) == 2
    assert simplify(found).network.canonical() == network.canonical()


def test_two_layers_become_one_long_kernel() -> None:
    first = strided(15, 1)
    second = parse(
        "y: n d o, o ~ 2 p + 3 l, u: e d l -> n e p",
        shapes={"y": (2, 3, first.sizes["o"]), "u": (2, 3, 2)},
    )
    found = only(COMPOSED, replace(second, "y", first))
    whole, kernels = sorted((p.index for p in found.patterns), key=lambda p: -p.output)
    if whole.stride == 6:
        whole, kernels = kernels, whole
    assert (whole.stride, whole.dilation, whole.padding) == (4, 1, 1)
    assert (kernels.stride, kernels.dilation, kernels.input) == (6, 1, 9)
    padded = parse(
        "y: n d o, o ~ p + l - 1, u: e d l -> n e p",
        shapes={"y": (2, 3, first.sizes["o"]), "u": (2, 3, 2)},
    )
    assert list(COMPOSED.apply(replace(padded, "y", first))) == []
