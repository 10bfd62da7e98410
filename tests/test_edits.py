"""The edits against convolutions and their derivatives written as plain loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tnconv import edits, networks
from tnconv.errors import NetworkError
from tnconv.network import Network, SubNetwork
from tnconv.notation import parse
from tnconv.testing import evaluate, integer_arrays

STRIDE, DILATION, PADDING = 2, 3, 2
SHAPES = {"x": (2, 4, 9), "w": (6, 2, 3)}
SIZES = {"o": 4, "g": 2}


def conv() -> Network:
    """Two groups, stride 2, dilation 3, padding 2."""
    text = "x: n (g c) i, i ~ 2 o + 3 k - 2, w: (g d) c k -> n (g d) o"
    return parse(text, shapes=SHAPES, sizes=SIZES)


def terms() -> Any:
    """Every ``(n, g, c, d, o, k, i)`` of the sum that reads inside."""
    for n, g, c, d, o, k in np.ndindex(2, 2, 2, 3, 4, 3):
        i = STRIDE * o + DILATION * k - PADDING
        if 0 <= i < 9:
            yield n, g, c, d, o, k, i


def arrays(**more: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    shapes = {**SHAPES, "v": (2, 6, 4), **more}
    return {name: random.integers(-5, 6, shape) for name, shape in shapes.items()}


def test_forward() -> None:
    a = arrays()
    expected = np.zeros((2, 6, 4), int)
    for n, g, c, d, o, k, i in terms():
        expected[n, 3 * g + d, o] += a["x"][n, 2 * g + c, i] * a["w"][3 * g + d, c, k]
    assert np.array_equal(evaluate(conv(), a), expected)


def test_remove_gives_the_jacobian() -> None:
    a = arrays()
    expected = np.zeros((2, 6, 4, 6, 2, 3), int)
    for n, g, c, d, o, k, i in terms():
        row = 3 * g + d
        expected[n, row, o, row, c, k] += a["x"][n, 2 * g + c, i]
    jacobian = edits.remove(conv(), "w")
    assert list(jacobian.arguments) == ["x"]
    assert np.array_equal(evaluate(jacobian, a), expected)


def test_transposes_are_the_vjps() -> None:
    a = arrays()
    of_w, of_x = np.zeros(SHAPES["w"], int), np.zeros(SHAPES["x"], int)
    for n, g, c, d, o, k, i in terms():
        at = (n, 3 * g + d, o)
        of_w[3 * g + d, c, k] += a["v"][at] * a["x"][n, 2 * g + c, i]
        of_x[n, 2 * g + c, i] += a["v"][at] * a["w"][3 * g + d, c, k]
    assert np.array_equal(evaluate(edits.transpose(conv(), "w", "v"), a), of_w)
    assert np.array_equal(evaluate(edits.transpose(conv(), "x", "v"), a), of_x)


def test_transpose_can_keep_a_label() -> None:
    a = arrays()
    expected = np.zeros((2, *SHAPES["w"]), int)
    for n, g, c, d, o, k, i in terms():
        value = a["v"][n, 3 * g + d, o] * a["x"][n, 2 * g + c, i]
        expected[n, 3 * g + d, c, k] += value
    each = edits.transpose(conv(), "w", "v", keep=("n",))
    assert np.array_equal(evaluate(each, a), expected)


def test_pair_is_the_gram_matrix_of_the_unfolded_input() -> None:
    a = arrays()
    a["x"] = a["x"] + 1j * np.arange(72).reshape(SHAPES["x"])
    unfold = parse(
        "x: n c i, i ~ 2 o + 3 k - 2 -> n c o k", shapes=SHAPES, sizes={"o": 4, "k": 3}
    )
    columns = np.zeros((2, 4, 4, 3), complex)
    for n, c, o, k in np.ndindex(2, 4, 4, 3):
        i = STRIDE * o + DILATION * k - PADDING
        if 0 <= i < 9:
            columns[n, c, o, k] = a["x"][n, c, i]
    expand = edits.pair(unfold, shared=("n", "o"), output=("c", "k", "c'", "k'"))
    expected = np.einsum("ncok,ndol->ckdl", columns, columns.conj())
    assert np.allclose(evaluate(expand, a), expected, rtol=0, atol=1e-9)
    reduce = edits.pair(unfold, shared=("n",), output=("c", "k", "c'", "k'"))
    expected = np.einsum("ncok,ndpl->ckdl", columns, columns.conj())
    assert np.allclose(evaluate(reduce, a), expected, rtol=0, atol=1e-9)
    plain = edits.pair(unfold, shared=("n",), output=("c", "k"), conjugate=False)
    expected = np.einsum("ncok,ndpl->ck", columns, columns)
    assert np.allclose(evaluate(plain, a), expected, rtol=0, atol=1e-9)


def test_join_keeps_shared_labels_once_and_counts_labels_it_drops() -> None:
    first = parse("a: n c -> n c", shapes={"a": (2, 3)})
    second = parse("b: n c -> n c m; m=5", shapes={"b": (2, 3)})
    a = arrays(a=(2, 3), b=(2, 3))
    both = edits.join(first, second, shared=("n",))
    expected = np.einsum("nc,nd->ncd", a["a"], a["b"])[..., None]
    assert np.array_equal(evaluate(both, a), np.broadcast_to(expected, (2, 3, 3, 5)))
    total = edits.join(first, second, shared=("n", "c"), output=("c",))
    assert np.array_equal(evaluate(total, a), 5 * (a["a"] * a["b"]).sum(0))


def test_replace_puts_layers_in_a_row() -> None:
    second = parse(
        "y: n (h d) o, o ~ p + l - 1, u: e h d l -> n e p",
        shapes={"y": (2, 6, 4), "u": (3, 2, 3, 2)},
        sizes={"p": 4},
    )
    chain = edits.replace(second, "y", conv())
    assert not any(isinstance(op, SubNetwork) for op in chain.operands)
    a = arrays(u=(3, 2, 3, 2))
    expected = evaluate(second, {**a, "y": evaluate(conv(), a)})
    assert np.array_equal(evaluate(chain, a), expected)


def test_replace_keeps_a_sub_network_where_views_differ() -> None:
    second = parse("y: n d [o + 1], d o -> n o", shapes=[(2, 6, 4), (6, 3)])
    chain = edits.replace(second, "y", conv())
    assert isinstance(chain.operands[0], SubNetwork)
    a = arrays(x1=(6, 3))
    expected = evaluate(second, {**a, "y": evaluate(conv(), a)})
    assert np.array_equal(evaluate(chain, a), expected)


def test_replace_puts_a_factorized_kernel_in() -> None:
    kernel = parse(
        "p: m r, q: c r, s: k r -> m c k",
        shapes={"p": (6, 5), "q": (2, 5), "s": (3, 5)},
    )
    low_rank = edits.replace(conv(), "w", kernel)
    a = arrays(p=(6, 5), q=(2, 5), s=(3, 5))
    w = np.einsum("mr,cr,kr->mck", a["p"], a["q"], a["s"])
    expected = evaluate(conv(), {**a, "w": w})
    assert np.array_equal(evaluate(low_rank, a), expected)


def test_batch_is_several_calls_in_one() -> None:
    a = arrays(xs=(3, *SHAPES["x"]))
    batched = edits.batch(conv(), ["x"], 3)
    found = evaluate(batched, {"x": a["xs"], "w": a["w"]})
    each = [evaluate(conv(), {"x": x, "w": a["w"]}) for x in a["xs"]]
    assert np.array_equal(found, np.stack(each))


@pytest.mark.parametrize(
    ("label", "start", "size", "step"),
    [("n", 1, 1, 1), ("c", 0, 1, 2), ("o", 1, 2, 2), ("k", 0, 2, 2), ("i", 2, 5, 1)],
)
def test_restrict_keeps_a_slice(label: str, start: int, size: int, step: int) -> None:
    """What is left out adds nothing: the same sum with those terms skipped."""
    a = arrays()
    kept = range(start, start + step * size, step)
    names = ("n", "g", "c", "d", "o", "k", "i")
    expected = np.zeros((2, 6, 4), int)
    for term in terms():
        if dict(zip(names, term, strict=True))[label] in kept:
            n, g, c, d, o, k, i = term
            value = a["x"][n, 2 * g + c, i] * a["w"][3 * g + d, c, k]
            expected[n, 3 * g + d, o] += value
    restricted = edits.restrict(conv(), label, start, size, step)
    assert restricted.sizes[label] == size
    assert np.array_equal(evaluate(restricted, a), expected)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 3), (2, 1)])
def test_a_step_on_an_input_leg_reads_kernel_or_output_backwards(
    stride: int, dilation: int
) -> None:
    hyper = {"stride": stride, "dilation": dilation, "padding": 2}
    network = networks.conv((2, 3, 11), (4, 3, 3), **hyper)  # type: ignore[arg-type]
    found = edits.restrict(network, "i0", 1, 4, 3)
    a = integer_arrays(network)
    expected = evaluate(found, a)
    a["x"][..., [i for i in range(11) if i not in (1, 4, 7, 10)]] = 0
    assert np.array_equal(expected, evaluate(network, a))
    assert np.any(expected)


def test_conjugated_and_renamed_inputs() -> None:
    inner = parse("x: a -> a", shapes={"x": (2,)})
    outer = parse("{a -> a}: a, conj w: a -> a", shapes={"x0": (2,), "w": (2,)})
    outer = edits.rename_inputs(outer, {"x0": "x"})
    assert list(outer.arguments) == ["x", "w"]
    a = {"x": np.array([1 + 2j, 3j]), "w": np.array([2 - 1j, 1j])}
    assert np.array_equal(evaluate(outer, a), a["x"] * a["w"].conj())
    flipped = edits.conjugated(outer)
    assert np.array_equal(evaluate(flipped, a), a["x"].conj() * a["w"])
    assert edits.conjugated(edits.conjugated(inner)) == inner


PARTNER = parse("y: n -> n", shapes={"y": (3,)})
Edit = Callable[[], Network]
REFUSED: list[tuple[str, Edit]] = [
    ("0 inputs are called 'z'", lambda: edits.remove(conv(), "z")),
    (
        "2 inputs are called 'x'",
        lambda: edits.remove(parse("x: a, x: a -> a", shapes={"x": (2,)}), "x"),
    ),
    ("called 'x' already", lambda: edits.attach(conv(), "x", 1)),
    ("has shape", lambda: edits.replace(conv(), "w", conv())),
    ("shared label 'n'", lambda: edits.join(conv(), PARTNER, shared=("n",))),
    ("leaves 'o'", lambda: edits.restrict(conv(), "o", 3, 2)),
    ("input leg 'i'", lambda: edits.restrict(conv(), "i", 0, 3, 2)),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case[0]))
def test_edits_that_do_not_apply_are_refused(case: tuple[str, Edit]) -> None:
    message, edit = case
    with pytest.raises(NetworkError, match=message):
        edit()


def test_edits_leave_the_network_alone() -> None:
    network = conv()
    edits.transpose(network, "x", "v")
    edits.restrict(network, "o", 0, 2)
    assert network == conv()
    assert integer_arrays(network).keys() == {"x", "w"}


def test_grouped_layers_in_a_row_become_one_flat_network() -> None:
    first = networks.conv((2, 4, 6), (6, 2, 3), groups=2)
    second = edits.rename_inputs(
        networks.conv(first.shape, (5, 6, 2)), {"weight": "w2"}
    )
    both = edits.replace(second, "x", first)
    assert not any(isinstance(op, SubNetwork) for op in both.operands)
    rng = np.random.default_rng(0)
    arrays = {n: rng.integers(-3, 4, s) for n, s in both.arguments.items()}
    middle = evaluate(first, {"x": arrays["x"], "weight": arrays["weight"]})
    wanted = evaluate(second, {"x": middle, "w2": arrays["w2"]})
    assert np.array_equal(evaluate(both, arrays), wanted)
