"""Multiply-and-sum by dot products and in turns, loops over blocks, and long runs."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import oracles

import tnconv
from tnconv.execution import ways
from tnconv.execution.program import Block, Loop, MultiplySum, Program, Scale, Sum
from tnconv.execution.ways import filled, product_of
from tnconv_backends.numpy import NumPyKernels
from tnconv_backends.strided_kernels import StridedKernels

Array = NDArray[Any]
SIZES = (3, 5, 2, 40)
#: dimensions of two operands and of the result: dots, dots with a rest, turns, einsum
DOTS = [
    ((0, 3), (0, 3), (0,)),
    ((0, 1, 2, 3), (1, 3), (2, 0)),
    ((3,), (0, 1, 3), (1, 0)),
]
TURNS = [
    ((0, 1, 2, 3), (1, 2), (0, 3)),
    ((0, 3), (0, 1, 2), (2, 3)),
    ((1, 2, 3), (0, 1), (2, 0, 3)),
]


def plain(step: MultiplySum, a: Array, b: Array) -> Array:
    """The sum, one product after another."""
    dims = sorted({*step.left, *step.right})
    found = np.zeros(step.shape, a.dtype)
    for at in np.ndindex(*[SIZES[d] for d in dims]):
        value = dict(zip(dims, at, strict=True))
        left = a[tuple(value[d] for d in step.left)]
        right = b[tuple(value[d] for d in step.right)]
        found[tuple(value[d] for d in step.out)] += left * right
    return found


def case(dims: Any, dtype: str) -> tuple[Any, Array, Array]:
    """A step and two operands, one of them not contiguous."""
    rng, (left, right, out) = np.random.default_rng(0), dims
    step = MultiplySum((0, 1), tuple(SIZES[d] for d in out), left, right, out)
    shapes = [tuple(SIZES[d] for d in own) for own in (left, right)]
    a, b = (rng.integers(-4, 5, s).astype(dtype) for s in shapes)
    if dtype.startswith("complex"):
        a = a + 1j * rng.integers(-4, 5, a.shape)
    return step, np.asfortranarray(a), b


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int64"])
@pytest.mark.parametrize("dims", DOTS + TURNS)
def test_every_way_gives_the_plain_sum(
    dims: Any, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "FEW", 1)  # so that small results are made in turns
    monkeypatch.setattr("tnconv_backends.multiply.BLOCK", 50)
    step, a, b = case(dims, dtype)
    job = product_of(step, (a.shape, b.shape))
    assert (job.dots, job.turns) == (dims in DOTS, dims in TURNS)
    kernels = NumPyKernels(np, a.dtype, "cpu")
    run = kernels.multiply_sum(step, (a.shape, b.shape), False)
    found = run(a, b)
    np.testing.assert_array_equal(found, plain(step, a, b))
    assert found.dtype == np.dtype(dtype)
    assert found.tobytes() == run(a, b).tobytes()


@pytest.mark.parametrize("dims", DOTS + TURNS)
def test_einsum_of_any_strided_library_gives_the_same(dims: Any) -> None:
    step, a, b = case(dims, "float64")
    kernels = NumPyKernels(np, a.dtype, "cpu")
    run = StridedKernels.multiply_sum(kernels, step, (a.shape, b.shape), False)
    np.testing.assert_array_equal(run(a, b), plain(step, a, b))


SPANS = [
    ((0, 2), (2, 5)),
    ((0, 2), (0, 2), (2, 5)),
    ((0, 2), (3, 5)),
    ((1, 2), (2, 4)),
]


@pytest.mark.parametrize("spans", SPANS)
def test_loops_assign_what_is_apart_and_add_what_meets(spans: Any) -> None:
    """Blocks of rows, one of them written twice, or rows that none writes."""
    bodies, blocks = [], []
    for start, stop in spans:
        shape = (stop - start, 3)
        bodies.append(Program((("x", shape),), (Scale((0,), shape, 2, 1),), 1))
        span = ((start, stop), (0, 3))
        blocks.append(Block((span,), span, len(bodies) - 1))
    step = Loop((0,), (5, 3), tuple(blocks), tuple(bodies))
    x = np.arange(15.0).reshape(5, 3) + 1
    run = NumPyKernels(np, x.dtype, "cpu").loop(step, (x.shape,), False)
    expected = np.zeros((5, 3))
    for start, stop in spans:
        expected[start:stop] += 2 * x[start:stop]
    for _ in range(2):
        np.testing.assert_array_equal(run(x), expected)
    assert (filled(step) is None) == (spans == SPANS[2])


@pytest.mark.parametrize("other", ["multiply", "gemm"])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_runs_of_positions(dims: int, groups: int, other: str) -> None:
    """Forward and weight VJP along one run, planned where nothing else is allowed."""
    rng = np.random.default_rng(dims)
    sizes, kernel = (6, 5, 4)[:dims], (3, 2, 2)[:dims]
    hyper: dict[str, Any] = {
        "padding": ((2, 1), *((1, 0),) * (dims - 1)),
        "dilation": (1, *(2,) * (dims - 1)),
        "groups": groups,
    }
    x = rng.integers(-4, 5, (2, 4, *sizes)).astype(np.float64)
    w = rng.integers(-4, 5, (4, 4 // groups, *kernel)).astype(np.float64)
    y = oracles.conv(x, w, **hyper)
    found = []
    with tnconv.options(forms=["flat", other], alternatives=False):
        np.testing.assert_array_equal(tnconv.conv(x, w, **hyper), y)
        np.testing.assert_array_equal(
            tnconv.conv_weight_vjp(x, y, kernel, **hyper),
            oracles.conv_weight_vjp(x, y, kernel, **hyper),
        )
        for net in (
            tnconv.networks.conv(x.shape, w.shape, **hyper),
            tnconv.networks.conv_weight_vjp(x.shape, y.shape, kernel, **hyper),
        ):
            plan = tnconv.expression(net, dtype="float64").plan
            found += [step.form for step in plan.steps]
    assert "flat" in found


def test_along_a_run_a_bad_number_spoils_more_and_finite_results_are_right() -> None:
    """The last input of a row, which the first kernel column reads for no output."""
    x, y = np.ones((1, 2, 4, 4)), np.ones((1, 2, 3, 3))
    x[0, 0, 1, 3] = np.inf
    expected = oracles.conv_weight_vjp(x, y, (2, 2), groups=2)
    with (
        tnconv.options(forms=["flat"], alternatives=False),
        np.errstate(invalid="ignore"),
    ):
        found = tnconv.conv_weight_vjp(x, y, (2, 2), groups=2)
    good = np.isfinite(found)
    np.testing.assert_array_equal(found[good], expected[good])
    assert np.all(good[1]) and not np.any(good[~np.isfinite(expected)])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int32"])
def test_sums_over_views(dtype: str) -> None:
    # columns, windows that overlap, rows, a reversed axis, one with gaps, and nothing
    x = np.random.default_rng(0).integers(-9, 10, (3, 40, 5)).astype(dtype)
    if dtype.startswith("complex"):
        x = (x + 1j * x[::-1]).astype(dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x[0, :, 0].copy(), 7)
    columns = x.swapaxes(1, 2)
    views = [columns, windows.T, windows, x, columns[:, ::-1], columns[:, :, ::3]]
    for view in [*views, columns[:, 1:4], columns[:, :, :0], columns[0, :1]]:
        step = Sum((0,), view.shape[:-1], (view.ndim - 1,))
        kernel = NumPyKernels(np, np.dtype(dtype), None).sum(step, [view.shape], False)
        found, want = kernel(view), np.zeros(view.shape[:-1], dtype)
        for at in np.ndindex(*view.shape):
            want[at[:-1]] += view[at]
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(found, want)
