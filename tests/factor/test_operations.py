"""Operations on factorized kernels are those on their dense weights, as plain loops.

Data are small integers, so results are exact in whatever order they were contracted.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests import oracles
from tests.factor.kernels import einsum_dense, kernels, pulled_back
from tests.libraries import LIBRARIES, Library
from tests.strategies import Case, Limits, cases, seeds

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError, ArrayError
from tnconv.factor import FactorizedKernel
from tnconv.testing import evaluate

FORWARD = (
    "conv",
    "conv_input_vjp",
    "conv_transpose",
    "conv_transpose_input_vjp",
    "toeplitz",
)
DRAWN = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck)
)
LIMITS = Limits(axes=(1, 2, 2, 3))


def kernel_of(data: Any, case: Case) -> FactorizedKernel:
    """A kernel for the weight of a case, of its groups or of none."""
    shape = case.shapes["weight"]
    assume(min(shape) > 0)
    groups = data.draw(st.sampled_from([case.hyper.get("groups", 1), 1]))
    transposed = data.draw(st.booleans())
    found: FactorizedKernel = data.draw(
        kernels(shape, groups, transposed, integers=True)
    )
    return found


@pytest.mark.parametrize("operation", FORWARD)
@DRAWN
@given(data=st.data())
def test_a_kernel_stands_for_its_weight(operation: str, data: Any) -> None:
    case = data.draw(cases(operation, LIMITS))
    kernel = kernel_of(data, case)
    arrays = case.integers(data.draw(seeds()))
    expected = case.apply(oracles, arrays | {"weight": einsum_dense(kernel)})
    found = case.apply(tnconv, arrays | {"weight": kernel})
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operation", ["conv", "conv_input_vjp", "conv_transpose"])
@settings(DRAWN, max_examples=15)
@given(data=st.data())
def test_builders_take_the_network_of_a_kernel(operation: str, data: Any) -> None:
    case = data.draw(cases(operation, LIMITS))
    case.shapes.pop("bias", None)
    kernel = kernel_of(data, case)
    arrays = case.integers(data.draw(seeds()))
    given = {**case.shapes, "weight": kernel.network}
    network = getattr(networks, operation)(*given.values(), *case.extra, **case.hyper)
    expected = case.apply(oracles, arrays | {"weight": einsum_dense(kernel)})
    arrays |= {f"weight.{name}": a for name, a in kernel.arrays().items()}
    del arrays["weight"]
    assert network.arguments.keys() == arrays.keys()
    np.testing.assert_array_equal(evaluate(network, arrays), expected)


def moved(kernel: FactorizedKernel, at: int, factor: Any) -> Any:
    """The dense weight with another factor at one place."""
    factors = list(kernel.factors)
    factors[at] = factor
    return einsum_dense(kernel.with_factors(factors))


@pytest.mark.parametrize("prefix", ["conv", "conv_transpose"])
@settings(DRAWN, max_examples=15)
@given(data=st.data())
def test_gradients_of_factors(prefix: str, data: Any) -> None:
    case = data.draw(cases(f"{prefix}_weight_vjp", LIMITS))
    arrays = case.integers(data.draw(seeds()))
    dense = case.apply(oracles, arrays)
    size = case.extra[0]
    axes = arrays["x"].ndim - 2 if isinstance(size, int) else len(size)
    batched = case.hyper["per_example"] and arrays["x"].ndim == axes + 2
    case.shapes["weight"] = dense.shape[1:] if batched else dense.shape
    kernel = kernel_of(data, case)
    found = getattr(tnconv, f"{prefix}_factor_vjps")(
        arrays["x"], arrays["cotangent"], kernel, **case.hyper
    )
    if batched:
        each = zip(*(pulled_back(kernel, one) for one in dense), strict=True)
        expected = [np.stack(factor) for factor in each]
        assume(len(dense))
    else:
        expected = pulled_back(kernel, dense)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("operation", ["conv_jvp", "conv_transpose_jvp"])
@settings(DRAWN, max_examples=15)
@given(data=st.data())
def test_tangents_of_factors(operation: str, data: Any) -> None:
    case = data.draw(cases(operation, LIMITS))
    kernel = kernel_of(data, case)
    arrays = case.integers(data.draw(seeds()))
    rng = np.random.default_rng(data.draw(seeds()))
    tangents = [rng.integers(-3, 4, f.shape) for f in kernel.factors]
    given: dict[str, Any] = arrays | {"weight": kernel}
    if "weight_tangent" in arrays:
        if data.draw(st.booleans()):
            given["weight_tangent"] = kernel.with_factors(tangents)
            total = sum(moved(kernel, at, t) for at, t in enumerate(tangents))
            arrays["weight_tangent"] = np.asarray(total)
        expected = case.apply(oracles, arrays | {"weight": einsum_dense(kernel)})
        np.testing.assert_array_equal(case.apply(tnconv, given), expected)
    elif data.draw(st.booleans()):
        arrays["weight_tangent"] = einsum_dense(kernel)  # a direction, factorized
        given = arrays | {"weight_tangent": kernel}
        case = Case(case.operation, case.shapes, (), case.hyper, tuple(arrays)[2:])
        expected = case.apply(oracles, arrays)
        np.testing.assert_array_equal(case.apply(tnconv, given), expected)


@DRAWN
@given(data=st.data())
def test_contract_takes_kernels(data: Any) -> None:
    kernel = data.draw(kernels((6, 4), integers=True, transposed=data.draw(BOTH)))
    x = np.arange(12).reshape(3, 4) - 5
    dense = einsum_dense(kernel)
    found = tnconv.contract("n c, d c -> n d", x, kernel)
    np.testing.assert_array_equal(found, x @ dense.T)
    network = tnconv.parse("x: n c, w: d c -> n d", shapes=[(3, 4), (6, 4)])
    np.testing.assert_array_equal(tnconv.contract(network, x, kernel), x @ dense.T)


BOTH = st.booleans()


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64"])
def test_kernels_of_every_library(library: Library, dtype: str) -> None:
    rng = np.random.default_rng(0)
    u, v = rng.integers(-3, 4, (6, 2)), rng.integers(-3, 4, (2, 4, 3, 3))
    x, y = rng.integers(-3, 4, (2, 4, 7, 7)), rng.integers(-3, 4, (2, 6, 5, 5))
    factors = [library.array(a, dtype) for a in (u, v)]
    kernel = FactorizedKernel.of("svd-out", (6, 4, 3, 3), factors)
    dense = np.einsum("dr,rcxy->dcxy", u, v)
    found = tnconv.conv(library.array(x, dtype), kernel)
    library.check(found, dtype)
    np.testing.assert_array_equal(library.values(found), oracles.conv(x, dense))
    given = library.array(x, dtype), library.array(y, dtype)
    gradients = tnconv.conv_factor_vjps(*given, kernel)
    expected = pulled_back(
        kernel.with_factors([u, v]), oracles.conv_weight_vjp(x, y, (3, 3))
    )
    for one, other in zip(gradients, expected, strict=True):
        library.check(one, dtype)
        np.testing.assert_array_equal(library.values(one), other)


def test_random_shares_of_a_factorized_convolution() -> None:
    """What is kept and its scale are those of the dense weight."""
    rng = np.random.default_rng(0)
    factors = rng.integers(-3, 4, (6, 2)), rng.integers(-3, 4, (2, 4, 3))
    kernel = FactorizedKernel.of("svd-out", (6, 4, 3), factors)
    y = rng.integers(-3, 4, (2, 6, 7))
    for seed in range(4):
        keep = {"keep": {"d": 0.5, "c": 0.5, "o0": 0.5}, "seed": seed}
        found = tnconv.conv_input_vjp(kernel, y, 9, **keep)  # type: ignore[arg-type]
        dense = tnconv.conv_input_vjp(kernel.to_dense(), y, 9, **keep)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, dense)
        assert np.any(found)


def small() -> FactorizedKernel:
    return FactorizedKernel.of(
        "svd-out", (6, 4, 3), (np.ones((6, 2)), np.ones((2, 4, 3)))
    )


X = np.ones((2, 4, 9))
REFUSED: list[tuple[str, Any]] = [
    ("x has 3 channels but weight reads 4", lambda: tnconv.conv(X[:, :3], small())),
    ("bias has shape", lambda: tnconv.conv(X, small(), np.ones(5))),
    ("x is a factorized kernel", lambda: tnconv.conv(small(), small())),
    ("x is a factorized kernel", lambda: tnconv.conv_weight_vjp(small(), X, (3,))),
    ("kernel is no Factorized", lambda: tnconv.conv_factor_vjps(X, X, np.ones(3))),  # type: ignore[arg-type]
    (
        "stands for a weight of shape",
        lambda: tnconv.conv_factor_vjps(X, np.ones((2, 5, 7)), small()),
    ),
    (
        "weight is factorized as",
        lambda: tnconv.conv_jvp(X, small(), weight_tangent=other()),
    ),
    (
        "weight_tangent has shape",
        lambda: tnconv.conv_jvp(X, small(), weight_tangent=np.ones((6, 4, 2))),
    ),
]


def other() -> FactorizedKernel:
    """Another factorization of a weight of the same shape."""
    return FactorizedKernel.of(
        "svd-out", (6, 4, 3), (np.ones((6, 1)), np.ones((1, 4, 3)))
    )


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case[0]))
def test_bad_calls_are_refused(case: tuple[str, Any]) -> None:
    message, make = case
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_kernel_of_another_dtype_or_library_is_refused() -> None:
    with pytest.raises(ArrayError, match=r"weight\.out has dtype float64, x has float"):
        tnconv.conv(X.astype(np.float32), small())
