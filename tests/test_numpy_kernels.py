"""What NumPy's kernels do in another way than the reference: sums, products, views."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

import tnconv
from tnconv import networks
from tnconv.execution.program import AxisMap, Constant, Matmul, Program, Sum, View
from tnconv.execution.registry import backend
from tnconv.pattern import IndexPattern
from tnconv.planning.problem import Problem
from tnconv.planning.sites import meetings
from tnconv.testing import evaluate


def run(program: Program, *arrays: np.ndarray) -> np.ndarray:
    """A program on NumPy."""
    place = backend("numpy").place(arrays[0] if arrays else np.zeros(1))
    return np.asarray(backend("numpy").compile(program, place)(arrays))


def views() -> Iterator[np.ndarray]:
    """Three axes in every order of memory, cropped, stepped, reversed, as windows."""
    x = np.arange(4 * 5 * 6, dtype=np.float64).reshape(4, 5, 6) ** 2
    for order in permutations(range(3)):
        yield x.transpose(order)
    yield from (x[1:, :, 2:], x[:, ::2], x[..., ::-1], x[:, :1], x[:1, :1, :1])
    yield np.lib.stride_tricks.sliding_window_view(x[0], 3, axis=1)
    yield np.broadcast_to(x[:, :1], x.shape)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "int64"])
def test_sums_over_any_axes_of_any_view(axes: tuple[int, ...], dtype: str) -> None:
    for view in views():
        x = view if dtype == "float64" else view.astype(dtype)
        kept = tuple(n for d, n in enumerate(x.shape) if d not in axes)
        found = run(Program((("x", x.shape),), (Sum((0,), kept, axes),), 1), x)
        expected = np.zeros(kept, x.dtype)
        for at in np.ndindex(x.shape):
            expected[tuple(j for d, j in enumerate(at) if d not in axes)] += x[at]
        assert found.dtype == x.dtype
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("shape", [(700, 8, 701), (3, 600, 5, 500), (2000, 16, 900)])
def test_products_of_short_sums_are_whole(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    *ahead, rows, inner, columns = shape
    a = rng.integers(-9, 9, (*ahead, rows, inner)).astype("float32")
    b = rng.integers(-9, 9, (*ahead, inner, columns)).astype("float32")
    step = Matmul((0, 1), (*ahead, rows, columns))
    found = run(Program((("a", a.shape), ("b", b.shape)), (step,), 2), a, b)
    expected = sum(a[..., :, j, None] * b[..., None, j, :] for j in range(inner))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_views_that_only_turn_an_array(order: tuple[int, ...]) -> None:
    """Axes (6, 4) as dimensions 2, 3, 4, 1 in any order, fused in pairs."""
    x = np.arange(24.0).reshape(6, 4)
    dims, rows, columns = (2, 3, 4, 1), (3, 1, 0, 0), (0, 0, 1, 0)
    maps = tuple(AxisMap(0, tuple(by[d] for d in order)) for by in (rows, columns))
    sizes = tuple(dims[d] for d in order)
    shape = (sizes[0] * sizes[1], sizes[2] * sizes[3])
    first = View((0,), shape, maps, sizes, False)
    found = run(Program((("x", x.shape),), (first,), 1), x)
    assert np.array_equal(found, x.reshape(2, 3, 4, 1).transpose(order).reshape(shape))
    assert not np.may_share_memory(found, x)  # never the memory of an argument


def test_several_patterns_as_one_array() -> None:
    first, second = IndexPattern(5, 3, 2, 2, 1, 1), IndexPattern(4, 3, 3, 1, 1, 1)
    legs = ((1, "input"), (0, "input"), (0, "kernel"), (1, "kernel"))
    step = Constant((), (4, 5, 2, 3), (first, second), legs)
    expected = np.zeros((4, 5, 2, 3))
    for o, p, k, q in np.ndindex(3, 3, 2, 3):
        i, j = 2 * o + k - 1, p + q - 1
        if 0 <= i < 5 and 0 <= j < 4:
            expected[j, i, k, q] += 1
    assert np.array_equal(run(Program((), (step,), 0)), expected)


def test_kfac_reduce_reads_its_input_once() -> None:
    network = networks.kfac_input_factor(
        (3, 2, 9, 8), (3, 3), approximation="reduce", padding=1
    )
    expression = tnconv.expression(network, dtype="float64")
    x = np.arange(3 * 2 * 9 * 8.0).reshape(3, 2, 9, 8)
    reads = [s for s in expression.planned.program.steps if 0 in s.sources]
    assert len(reads) == 1
    assert np.allclose(expression(x), evaluate(network, {"x": x}), rtol=1e-12)


def test_patterns_that_share_a_leg_are_not_one_array() -> None:
    """Two patterns that make one output label of two input labels."""
    text = "x: n i j, i ~ o + k - 1, j ~ o + l -> n o"
    sizes, x = {"o": 4, "k": 3, "l": 2}, np.arange(2 * 5 * 5.0).reshape(2, 5, 5)
    network = tnconv.parse(text, shapes={"x": x.shape}, sizes=sizes)
    problem = Problem(network)
    (first,) = (1 << j for j in problem.arrays)
    met = list(meetings(problem, first, [], problem.constraints, 3))
    assert met and all(len(chosen) == 1 for _, (_, chosen) in met)
    expression = tnconv.expression(network, dtype="float64", forms=["constant"])
    assert np.allclose(expression(x), evaluate(network, {"x": x}), rtol=1e-12)
