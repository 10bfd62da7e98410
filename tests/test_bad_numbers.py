"""Inf and NaN: where they go, and where they do not."""

import numpy as np
import pytest
from tests import oracles
from tests.libraries import Library
from tests.ways import CALLS, HYPER, WAYS, Array, by_call, by_way, numbers, only

import tnconv

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
