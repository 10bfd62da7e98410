"""Least squares on examples, against all of them at once and NumPy's regression."""

import weakref
from typing import Any

import numpy as np
import pytest
from tests.factor.fits import CASES, correlated
from tests.factor.test_decompose import normal

import tnconv
from tnconv.errors import ArgumentError
from tnconv.factor import (
    FactorizedKernel,
    layer_least_squares,
    streamed_least_squares,
)
from tnconv.factor.decompose import decompose


@pytest.mark.parametrize("format", ["svd-in", "cp3", "tucker2"])
@pytest.mark.parametrize(("groups", "transposed"), CASES)
def test_least_squares_on_examples(format: str, groups: int, transposed: bool) -> None:
    x, bias = correlated(8, 6, 8, 8), normal(8)
    shape = (6, 8 // groups, 3, 3) if transposed else (8, 6 // groups, 3, 3)
    weight = normal(*shape)
    hyper: dict[str, Any] = {"stride": 2, "padding": 1}
    run = tnconv.conv_transpose if transposed else tnconv.conv
    wanted = run(x, weight, bias, groups=groups, **hyper)
    start = decompose(weight, format, 2, groups=groups, transposed=transposed)
    found = layer_least_squares(start, x, wanted, bias, sweeps=2, **hyper)

    def distance(kernel: FactorizedKernel) -> float:
        given = run(x, kernel.to_dense(), bias, groups=groups, **hyper)
        plain = wanted - bias[:, None, None]
        return float(np.linalg.norm(given - wanted) / np.linalg.norm(plain))

    assert found.ranks == start.ranks
    assert distance(found) < distance(start)
    assert found.fit is not None
    assert found.fit.output_error == pytest.approx(distance(found), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_least_squares_in_parts_are_those_of_all_examples(dtype: str) -> None:
    x, weight = correlated(9, 5, 12).astype(dtype), normal(6, 5, 3).astype(dtype)
    bias = normal(6).astype(dtype)
    y = tnconv.conv(x, weight, bias)
    start = decompose(weight, "tucker2", 2)
    short: dict[str, int] = {"sweeps": 2, "iterations": 3}
    whole = layer_least_squares(start, x, y, bias, **short)
    parts = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    found = streamed_least_squares(start, parts, bias, **short)
    assert found.factors[0].dtype == dtype
    close = 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(found.to_dense(), whole.to_dense(), atol=close)
    assert found.fit is not None and whole.fit is not None
    assert found.fit.output_error == pytest.approx(whole.fit.output_error, rel=1e-4)


def test_least_squares_hold_one_batch() -> None:
    """Batches are made anew in every pass and never kept."""
    weight = normal(4, 3, 3)
    made: list[weakref.ref[Any]] = []
    most = 0

    class Batches:
        def __iter__(self) -> Any:
            nonlocal most
            for seed in range(6):
                x = normal(4, 3, 9, seed=seed)
                made.append(weakref.ref(x))
                most = max(most, sum(one() is not None for one in made))
                yield x, tnconv.conv(x, weight)

    start = decompose(weight, "svd-out", 2)
    found = streamed_least_squares(start, Batches(), sweeps=1, iterations=2)
    assert found.fit is not None and found.fit.output_error is not None
    assert len(made) == 6 * 10 and most <= 2  # one runs, and the next is made


def test_least_squares_reach_the_dense_solution() -> None:
    """With one factor free in a linear layer, it is a regression that NumPy solves."""
    x, weight = normal(50, 7), normal(5, 7, seed=1)
    start = decompose(weight, "svd-out", 5)  # full rank: the fit can be exact
    noise = normal(50, 5, seed=2)
    found = layer_least_squares(start, x, x @ weight.T + noise, iterations=50)
    best = np.linalg.lstsq(x, x @ weight.T + noise, rcond=None)[0].T
    np.testing.assert_allclose(found.to_dense(), best, atol=1e-6)


def test_examples_that_do_not_fit_are_refused() -> None:
    weight = normal(4, 6, 3)
    kernel, x = decompose(weight, "svd-out", 2), normal(2, 6, 9)
    with pytest.raises(ArgumentError, match="output has shape"):
        layer_least_squares(kernel, x, normal(2, 4, 9))
    with pytest.raises(ArgumentError, match="bias has shape"):
        layer_least_squares(kernel, x, normal(2, 4, 7), normal(5))
    with pytest.raises(ArgumentError, match="groups"):
        layer_least_squares(kernel, x, normal(2, 4, 7), groups=1)
    with pytest.raises(ArgumentError, match="ends after one pass"):
        streamed_least_squares(kernel, iter([(x, normal(2, 4, 7))]))
    with pytest.raises(ArgumentError, match="no batch"):
        streamed_least_squares(kernel, [])
