"""Numbers: halves, wrapping integers, complex."""

from typing import Any

import numpy as np
import pytest
from tests import oracles
from tests.ways import CALLS, HYPER, WAYS, Array, by_call, by_way, numbers, only

import tnconv
from tnconv.errors import ArrayError

# ---- halves


@by_call
@by_way
def test_halves_are_rounded_once(way: str, name: str) -> None:
    rng = np.random.default_rng(1)
    shapes = ((3, 40, 33), (50, 40, 9), (3, 50, 14))
    arrays = [rng.uniform(0.5, 2, s).astype(np.float16) for s in shapes]
    calls = {**CALLS, "conv_input_vjp": wide_input_vjp, "conv_weight_vjp": wide_weight}
    exact = calls[name](oracles, *(a.astype(np.float64) for a in arrays))
    with only(*WAYS[way]):
        found = calls[name](tnconv, *arrays)
    assert found.dtype == np.float16
    unit = np.spacing(exact.astype(np.float16)).astype(np.float64)
    assert np.max(np.abs(found - exact) / unit) <= 0.5 + 2**-8
    if name != "unfold":  # sums in halves would be much worse
        narrow = calls[name](oracles, *arrays)
        assert np.max(np.abs(narrow - exact) / unit) > 1


def wide_input_vjp(m: Any, x: Any, w: Any, y: Any) -> Any:
    return m.conv_input_vjp(w, y, 33, **HYPER)


def wide_weight(m: Any, x: Any, w: Any, y: Any) -> Any:
    return m.conv_weight_vjp(x, y, (9,), **HYPER)


@by_way
def test_halves_overflow_only_at_the_end(way: str) -> None:
    x = np.array([[[300.0, 300.0, 1.0, 300.0]]], np.float16)
    weight = np.array([[[300.0, -300.0]]], np.float16)
    with only(*WAYS[way]), np.errstate(over="ignore"):
        found = tnconv.conv(x, weight)
    np.testing.assert_array_equal(found, np.array([[[0.0, np.inf, -np.inf]]]))


# ---- integers


@by_call
@by_way
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32"])
def test_integers_wrap(dtype: str, way: str, name: str) -> None:
    info = np.iinfo(dtype)
    arrays = numbers(dtype, int(info.min) // 2, int(info.max), 2)
    exact = CALLS[name](oracles, *(a.astype(object) for a in arrays))
    expected = wrapped(exact, dtype)
    if name != "unfold":
        assert np.any(expected.astype(object) != exact)
    with only(*WAYS[way]):
        found = CALLS[name](tnconv, *arrays)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, expected)


def wrapped(exact: Array, dtype: str) -> Array:
    """Python's integers, reduced to the range of a dtype."""
    info = np.iinfo(dtype)
    span = int(info.max) - int(info.min) + 1
    return ((exact - int(info.min)) % span + int(info.min)).astype(dtype)


@by_call
@by_way
def test_int64_is_exact_beyond_floating_point(way: str, name: str) -> None:
    arrays = numbers("int64", 2**29, 2**29 + 1000, 3)
    exact = CALLS[name](oracles, *(a.astype(object) for a in arrays))
    with only(*WAYS[way]):
        found = CALLS[name](tnconv, *arrays)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, exact.astype(np.int64))
    if name != "unfold":
        assert np.any(exact.astype(np.float64).astype(np.int64) != exact)


def test_int64_wraps() -> None:
    x, weight = np.full((1, 1, 2), 2**62), np.full((1, 1, 2), 3)
    exact = np.array([[[6 * 2**62]]], dtype=object)
    np.testing.assert_array_equal(tnconv.conv(x, weight), wrapped(exact, "int64"))


# ---- complex


@by_call
@by_way
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_nothing_is_conjugated(dtype: str, way: str, name: str) -> None:
    real, imaginary = numbers(dtype, -3, 4, 4), numbers(dtype, -3, 4, 5)
    arrays = [a + 1j * b for a, b in zip(real, imaginary, strict=True)]
    arrays = [a.astype(dtype) for a in arrays]
    with only(*WAYS[way]):
        found = CALLS[name](tnconv, *arrays)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, CALLS[name](oracles, *arrays))


def test_a_vjp_of_complex_arrays_is_a_transpose() -> None:
    """sum(y * conv(x)) = sum(vjp(y) * x), with plain products."""
    real, imaginary = numbers("float64", -3, 4), numbers("float64", -3, 4, 1)
    x, w, y = (a + 1j * b for a, b in zip(real, imaginary, strict=True))
    through = np.sum(y * tnconv.conv(x, w, **HYPER))
    by_x = np.sum(x * tnconv.conv_input_vjp(w, y, 9, **HYPER))
    by_w = np.sum(w * tnconv.conv_weight_vjp(x, y, (3,), **HYPER))
    assert through == by_x == by_w
    assert through.imag != 0


# ---- what is no number


@pytest.mark.parametrize("dtype", ["bool", "object", "U3", "datetime64[s]"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    x = np.zeros((1, 1, 3), dtype=dtype)
    with pytest.raises(ArrayError, match=r"^conv: x: dtype .* is not a number"):
        tnconv.conv(x, x)
