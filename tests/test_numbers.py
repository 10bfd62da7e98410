"""Numbers: halves, wrapping integers, complex, Inf and NaN."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import oracles
from tests.libraries import Library

import tnconv
from tnconv.errors import ArrayError

Array = NDArray[Any]
Call = Callable[[Any, Any, Any, Any], Any]

HYPER: dict[str, Any] = {"stride": 2, "padding": 1}
#: functions of a module, an input, a weight and a cotangent
CALLS: dict[str, Call] = {
    "conv": lambda m, x, w, y: m.conv(x, w, **HYPER),
    "conv_input_vjp": lambda m, x, w, y: m.conv_input_vjp(w, y, 9, **HYPER),
    "conv_weight_vjp": lambda m, x, w, y: m.conv_weight_vjp(x, y, (3,), **HYPER),
    "conv_transpose": lambda m, x, w, y: m.conv_transpose(y, w, **HYPER),
    "unfold": lambda m, x, w, y: m.unfold(x, (3,), **HYPER),
}
MOVES = ("window", "fold", "gather")
#: what each way to contract needs
WAYS = {
    "multiply": (*MOVES, "multiply"),
    "gemm": (*MOVES, "gemm", "multiply"),
    "taps": (*MOVES, "taps", "multiply"),
    "constant": ("constant", "gather", "multiply"),
    "constant, gemm": ("constant", "gather", "gemm", "multiply"),
}
by_call = pytest.mark.parametrize("name", CALLS)
by_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def only(*names: str) -> Iterator[None]:
    """Plans made of these forms and no other."""
    with tnconv.options(forms=names):
        yield


def numbers(dtype: str, low: int, high: int, seed: int = 0) -> tuple[Array, ...]:
    """An input, a weight and a cotangent of integers between two bounds."""
    rng = np.random.default_rng(seed)
    shapes = ((2, 3, 9), (4, 3, 3), (2, 4, 5))
    return tuple(rng.integers(low, high, s).astype(dtype) for s in shapes)


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


# ---- Inf and NaN

SPOILED = [np.inf, -np.inf, np.nan]
#: where an Inf is met by no zero of padding: the kernel position of x, w and y that
#: all outputs read in range
PLACES = {"x": (0, 1, 0), "w": (1, 2, 1), "y": (0, 2, 2)}
SPATIAL = [way for way in WAYS if not way.startswith("constant")]


def spoiled(which: str, at: tuple[int, ...], value: float) -> list[Array]:
    """Positive arrays with one bad entry."""
    arrays = dict(zip("xwy", numbers("float64", 1, 4, 6), strict=True))
    arrays[which][at] = value
    return list(arrays.values())


@by_call
@by_way
@pytest.mark.parametrize("which", "xwy")
@pytest.mark.parametrize("value", SPOILED)
def test_no_bad_number_is_lost_and_every_finite_result_is_right(
    value: float, which: str, way: str, name: str
) -> None:
    arrays = spoiled(which, PLACES[which], value)
    with only(*WAYS[way]), np.errstate(invalid="ignore"):
        found = CALLS[name](tnconv, *arrays)
        expected = CALLS[name](oracles, *arrays)
    good = np.isfinite(found)
    np.testing.assert_array_equal(found[good], expected[good])
    assert np.all(np.isfinite(expected[good]))
    assert np.any(good)


@pytest.mark.parametrize(
    ("name", "which"),
    [
        *(("conv", "x"), ("conv", "w"), ("unfold", "x"), ("conv_input_vjp", "y")),
        *(("conv_weight_vjp", "x"), ("conv_weight_vjp", "y"), ("conv_transpose", "y")),
    ],
)
@pytest.mark.parametrize("way", SPATIAL)
@pytest.mark.parametrize("value", SPOILED)
def test_bad_numbers_reach_only_what_reads_them(
    value: float, way: str, which: str, name: str
) -> None:
    arrays = spoiled(which, PLACES[which], value)
    with only(*WAYS[way]), np.errstate(invalid="ignore"):
        found = CALLS[name](tnconv, *arrays)
        np.testing.assert_array_equal(found, CALLS[name](oracles, *arrays))


@pytest.mark.parametrize("name", ["conv", "conv_weight_vjp", "conv_transpose"])
@pytest.mark.parametrize("value", SPOILED)
def test_bad_numbers_in_native_convolutions(value: float, name: str) -> None:
    torch = Library("torch", ()).module
    which = "y" if name == "conv_transpose" else "x"
    arrays = spoiled(which, PLACES[which], value)
    with only("native"):
        found = CALLS[name](tnconv, *map(torch.as_tensor, arrays))
    np.testing.assert_array_equal(found.numpy(), CALLS[name](oracles, *arrays))


@pytest.mark.parametrize("way", [*SPATIAL, "native"])
def test_the_zeros_of_padding_are_numbers(way: str) -> None:
    """An Inf in the weight that falls on padding is Inf * 0, as in every library."""
    torch = Library("torch", ()).module
    x, weight = np.ones((1, 1, 4)), np.array([[[np.inf, 1.0, 1.0]]])
    given = [torch.as_tensor(a) if way == "native" else a for a in (x, weight)]
    with only(*WAYS.get(way, ("native",))), np.errstate(invalid="ignore"):
        found = np.asarray(tnconv.conv(*given, padding=1))
    theirs = torch.nn.functional.conv1d(*map(torch.as_tensor, (x, weight)), padding=1)
    np.testing.assert_array_equal(found, [[[np.nan, np.inf, np.inf, np.inf]]])
    np.testing.assert_array_equal(found, theirs.numpy())


@pytest.mark.parametrize("way", SPATIAL)
def test_so_are_the_zeros_a_stride_leaves_between(way: str) -> None:
    """In a transposed convolution they are met by the weight."""
    y, weight = np.ones((1, 1, 2)), np.array([[[np.inf, 1.0]]])
    with only(*WAYS[way]), np.errstate(invalid="ignore"):
        found = tnconv.conv_transpose(y, weight, stride=2)
    assert not np.any(np.isfinite(found[..., ::2]))
    assert np.all((found[..., 1::2] == 1) | np.isnan(found[..., 1::2]))


@pytest.mark.parametrize("way", ["constant", "constant, gemm"])
@pytest.mark.parametrize("value", SPOILED)
def test_a_constant_spreads_bad_numbers_along_the_spatial_axis(
    value: float, way: str
) -> None:
    """Positions the pattern leaves out are multiplied by zero; other examples are not
    touched. Right numbers stay right."""
    arrays = spoiled("x", PLACES["x"], value)
    with only(*WAYS[way]), np.errstate(invalid="ignore"):
        found = tnconv.conv(*arrays[:2], **HYPER)
    expected = oracles.conv(*arrays[:2], **HYPER)
    assert np.all(np.isnan(found[0]))
    np.testing.assert_array_equal(found[1], expected[1])
    assert np.any(np.isfinite(expected[0])) and np.all(np.isfinite(expected[1]))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("way", SPATIAL)
def test_bad_numbers_in_padding_modes(way: str, mode: str) -> None:
    arrays = spoiled("x", (0, 1, 1), np.inf)
    hyper = {**HYPER, "padding_mode": mode}
    with only(*WAYS[way]):
        found = tnconv.conv(*arrays[:2], **hyper)
    np.testing.assert_array_equal(found, oracles.conv(*arrays[:2], **hyper))


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("value", SPOILED)
def test_transforms_spread_bad_numbers_over_all_their_positions(
    value: float, library: str
) -> None:
    """The whole example that holds one; other examples are not touched."""
    module = Library(library, ()).module
    arrays = spoiled("x", PLACES["x"], value)
    with only("fourier"), np.errstate(invalid="ignore"):
        found = np.asarray(tnconv.conv(*map(module.asarray, arrays[:2]), **HYPER))
    expected = oracles.conv(*arrays[:2], **HYPER)
    assert not np.any(np.isfinite(found[0]))
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-12)
    assert np.any(np.isfinite(expected[0])) and np.all(np.isfinite(expected[1]))


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("value", SPOILED)
@pytest.mark.parametrize("forms", [("cumulative",), ("window",)])
def test_window_sums_hold_the_bad_numbers_of_their_window(
    forms: tuple[str, ...], value: float, library: str
) -> None:
    module = Library(library, ()).module
    x = numbers("float64", 1, 4)[0]
    x[0, 1, 4] = value
    expected = np.stack([x[..., o : o + 3].sum(-1) for o in range(7)], axis=-1)
    with only(*forms):
        found = tnconv.contract(
            "n c i, i ~ o + k -> n c o", module.asarray(x), sizes={"k": 3}
        )
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert np.isfinite(expected).sum() == expected.size - 3


@pytest.mark.parametrize("value", SPOILED)
def test_a_form_that_spreads_bad_numbers_can_be_excluded(value: float) -> None:
    from tnconv.planning.planner import form_table

    arrays = spoiled("x", PLACES["x"], value)
    with only(*(set(form_table()) - {"constant", "fourier"})):
        found = tnconv.conv(*arrays[:2], **HYPER)
    np.testing.assert_array_equal(found, oracles.conv(*arrays[:2], **HYPER))


# ---- what is no number


@pytest.mark.parametrize("dtype", ["bool", "object", "U3", "datetime64[s]"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    x = np.zeros((1, 1, 3), dtype=dtype)
    with pytest.raises(ArrayError, match=r"^conv: x: dtype .* is not a number"):
        tnconv.conv(x, x)
