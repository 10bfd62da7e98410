"""A network cut in two: what it reads of an array, and the rest on that."""

from typing import Any

import numpy as np
import pytest

from tnconv import simplify
from tnconv.edits import restrict
from tnconv.network import Network
from tnconv.networks import conv_weight_vjp
from tnconv.notation import parse
from tnconv.stored import split
from tnconv.testing import evaluate, integer_arrays


def halves(network: Network) -> tuple[int, ...] | None:
    """The shape that is kept of ``x``, after the two halves gave the whole."""
    arrays = integer_arrays(network)
    found = split(network, "x")
    later = dict(arrays)
    if found.taken is not None:
        later["x"] = evaluate(found.taken, arrays)
    assert np.array_equal(evaluate(found.rest, later), evaluate(network, arrays))
    return None if found.taken is None else found.taken.shape


def vjp(**hyper: Any) -> Network:
    return conv_weight_vjp((4, 6, 12), (4, 4, 12), 3, padding=1, groups=2, **hyper)


@pytest.mark.parametrize(
    ("label", "slice_", "shape"),
    [
        ("n", (1, 2, 1), (2, 6, 12)),
        ("n", (1, 2, 2), (2, 6, 12)),
        ("g", (1, 1, 1), (4, 3, 12)),
        ("c", (1, 2, 1), (4, 4, 12)),
        ("i0", (3, 5, 1), (4, 6, 5)),
        ("i0", (1, 4, 3), (4, 6, 4)),
        ("o0", (0, 6, 2), None),
        ("d", (0, 1, 1), None),
    ],
)
def test_a_slice_of_a_label_is_what_is_kept(
    label: str, slice_: tuple[int, int, int], shape: tuple[int, ...] | None
) -> None:
    assert halves(restrict(vjp(), label, *slice_)) == shape


def test_a_pointwise_layer_with_a_stride_keeps_what_it_reads() -> None:
    whole = conv_weight_vjp((2, 3, 9, 9), (2, 4, 5, 5), 1, stride=2)
    assert halves(simplify(whole).network) == (2, 3, 5, 5)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x: [o + k + 2], y: o -> k; o=4 k=3", (6,)),
        ("x: [3 o + k + 1], y: o -> k; o=3 k=3", (9,)),
        ("x: [3 o + k + 1], y: o -> k; o=2 k=2", (4,)),
        ("x: [o + k - 2], y: o -> k; o=4 k=3", (4,)),
        ("x: [6 - o], y: o -> o; o=4", (4,)),
        ("x: [o + 9], y: o -> o; o=4", (1,)),
    ],
)
def test_ranges_and_views(text: str, shape: tuple[int, ...]) -> None:
    shapes = {"x": (10,), "y": (int(text[text.index("o=") + 2]),)}
    assert halves(parse(text, shapes=shapes)) == shape


def test_a_diagonal_is_kept_as_its_range() -> None:
    network = parse("x: [a + 1] a, y: a -> a; a=3", shapes={"x": (5, 3), "y": (3,)})
    assert halves(network) == (3, 3)
