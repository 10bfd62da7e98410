"""Public functions against the oracle: every operation, library and dtype."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import oracles
from tests.libraries import LIBRARIES, NUMPY, TORCH, Library
from tests.strategies import OPERATIONS, Case, cases, seeds

from tnconv import functions

Array = NDArray[Any]
UNSHRUNK = settings(  # cases are small as drawn, and each one is planned
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
QUICK = settings(UNSHRUNK, max_examples=5)
LONG = settings(UNSHRUNK, max_examples=12)
SWEEP = settings(UNSHRUNK, max_examples=110)

# Relative to the sum of the absolute values of all terms: what a library's own sums may
# lose in another order. Half types are rounded once per term of a JVP.
TOLERANCE = {
    "float64": 1e-12,
    "complex128": 1e-12,
    "float32": 1e-5,
    "complex64": 1e-5,
    "float16": 2**-10,
    "bfloat16": 2**-7,
}
SMALLEST_NORMAL = {"float16": 2.0**-14, "bfloat16": 2.0**-126}  # below: a fixed spacing

by_library = pytest.mark.parametrize("library", LIBRARIES, ids=str)
by_operation = pytest.mark.parametrize("operation", OPERATIONS)
by_dtype = pytest.mark.parametrize(
    ("library", "dtype"),
    [(lib, dtype) for lib in LIBRARIES for dtype in lib.dtypes],
    ids=str,
)


def data_of(case: Case, seed: int, dtype: str) -> dict[str, Array]:
    """Arrays whose values every dtype holds exactly."""
    if dtype == "float64":
        return case.normals(seed)
    if dtype.startswith("int"):
        return case.integers(seed)
    quarters = {k: v / 4 for k, v in case.integers(seed).items()}
    if dtype.startswith("complex"):
        other = case.integers(seed + 1)
        return {k: v + 0.25j * other[k] for k, v in quarters.items()}
    return quarters


def check(case: Case, library: Library, dtype: str, seed: int) -> None:
    """The function against the oracle, and its result's library, dtype and shape."""
    arrays = data_of(case, seed, dtype)
    expected = case.apply(oracles, arrays)
    result = case.apply(
        functions, {k: library.array(v, dtype) for k, v in arrays.items()}
    )
    library.check(result, dtype)
    assert tuple(result.shape) == expected.shape
    found = library.values(result)
    if dtype.startswith("int"):
        np.testing.assert_array_equal(found, expected)
        return
    bound = case.apply(oracles, {k: np.abs(v) for k, v in arrays.items()})
    limit = (
        np.maximum(bound, SMALLEST_NORMAL[dtype])
        if dtype in SMALLEST_NORMAL
        else np.max(bound, initial=1.0)
    )
    wrong = np.abs(found - expected) - TOLERANCE[dtype] * limit
    assert np.max(wrong, initial=0.0) <= 0, case


@by_library
@by_operation
@QUICK
@given(data=st.data())
def test_float64(library: Library, operation: str, data: Any) -> None:
    check(data.draw(cases(operation)), library, "float64", data.draw(seeds()))


@by_dtype
@LONG
@given(data=st.data())
def test_dtypes(library: Library, dtype: str, data: Any) -> None:
    operation = data.draw(st.sampled_from(OPERATIONS))
    check(data.draw(cases(operation)), library, dtype, data.draw(seeds()))


@pytest.mark.sweep
@by_library
@by_operation
@SWEEP
@given(data=st.data())
def test_sweep(library: Library, operation: str, data: Any) -> None:
    dtype = data.draw(st.sampled_from(("float64", "float64", *library.dtypes)))
    check(data.draw(cases(operation)), library, dtype, data.draw(seeds()))


@pytest.mark.parametrize(
    ("library", "dtype"),
    [(NUMPY, "float16"), (TORCH, "float16"), (TORCH, "bfloat16")],
    ids=str,
)
def test_half_types_are_summed_wide_and_rounded_once(
    library: Library, dtype: str
) -> None:
    ones = np.ones((1, 1000, 7)), np.ones((1, 1000, 3))
    x, weight = (library.array(a * 1.5, dtype) for a in ones)
    exact = 2.25 * 3000
    found = library.values(functions.conv(x, weight))
    half_a_unit = {"float16": 2.0, "bfloat16": 16.0}[dtype]
    assert np.all(np.abs(found.astype(float) - exact) <= half_a_unit)


@by_library
def test_results_too_small_for_a_normal_half_are_rounded_to_its_spacing(
    library: Library,
) -> None:
    if "float16" not in library.dtypes:
        pytest.skip("no half precision there")
    hyper = {"approximation": "reduce", "normalization": "both", "padding": 200}
    case = Case("kfac_input_factor", {"x": (1, 1, 2)}, ((1,),), hyper)
    check(case, library, "float16", 65535)


@by_library
def test_integers_wrap_as_the_library_does(library: Library) -> None:
    x = library.array(np.full((1, 2, 3), 2**62), "int64")
    weight = library.array(np.full((1, 2, 2), 2), "int64")
    found = library.values(functions.conv(x, weight))
    np.testing.assert_array_equal(found, np.zeros((1, 1, 2), np.int64))


@by_library
def test_a_second_call_with_other_data_is_right(library: Library) -> None:
    case = Case("conv", {"x": (2, 4, 6, 5), "weight": (6, 2, 3, 2)}, (), {"groups": 2})
    for seed in range(3):
        check(case, library, "float64", seed)


@by_library
def test_arguments_are_left_as_they_were(library: Library) -> None:
    hyper = {"groups": 2, "padding": 1}
    case = Case("conv", {"x": (2, 4, 6), "weight": (4, 2, 3)}, (), hyper)
    before = case.normals(0)
    arrays = {k: library.array(v, "float64") for k, v in before.items()}
    first = library.values(case.apply(functions, arrays)).copy()
    for name, array in arrays.items():
        np.testing.assert_array_equal(library.values(array), before[name])
    np.testing.assert_array_equal(library.values(case.apply(functions, arrays)), first)


@by_library
def test_strided_and_reversed_arguments(library: Library) -> None:
    whole = np.random.default_rng(0).standard_normal((6, 9, 4))
    x, weight = whole.transpose(2, 0, 1)[::2], whole[:2].transpose(0, 2, 1)[:, :3, ::3]
    weight = np.concatenate([weight, weight], axis=1)
    found = functions.conv(
        library.array(x, "float64"), library.array(weight, "float64")
    )
    np.testing.assert_allclose(
        library.values(found), oracles.conv(x, weight), rtol=1e-12, atol=1e-12
    )


def test_non_contiguous_numpy_views() -> None:
    whole = np.random.default_rng(1).standard_normal((9, 6, 8))
    x = whole.transpose(2, 1, 0)[::-2, :, ::-1]
    weight = whole[:4, ::-1, :3]
    np.testing.assert_allclose(
        functions.conv(x, weight, stride=2),
        oracles.conv(x, weight, stride=2),
        rtol=1e-12,
        atol=1e-12,
    )
