"""The GGN in the factors times a vector: against dense Jacobians of the chain rule."""

from typing import Any

import numpy as np
import pytest
from tests import oracles
from tests.factor.test_kernel import made

import tnconv
from tnconv.errors import ArgumentError, ArrayError
from tnconv.factor import FORMATS

CASES: dict[str, dict[str, Any]] = {
    "strided": {"stride": 2, "padding": 1},
    "grouped": {"groups": 2, "dilation": 2, "padding": (0, 2)},
    "reflected": {"padding": 1, "padding_mode": "reflect"},
}


def normal(rng: Any, shape: Any, dtype: str) -> Any:
    found = rng.normal(size=shape)
    return found + 1j * rng.normal(size=shape) if dtype.startswith("complex") else found


def jacobian(kernel: Any) -> Any:
    """The dense weight's derivative in all factors, by differences of what is linear
    in each: (entries of the weight, entries of the factors)."""
    columns = []
    for at, factor in enumerate(kernel.factors):
        for entry in range(factor.size):
            unit = np.zeros(factor.size, factor.dtype)
            unit[entry] = 1
            factors = list(kernel.factors)
            factors[at] = unit.reshape(factor.shape)
            columns.append(kernel.with_factors(factors).to_dense().reshape(-1))
    return np.stack(columns, axis=1)


def product(kernel: Any, block: Any, vector: list[Any]) -> list[Any]:
    """The GGN block of the dense weight, taken to the factors, times a vector."""
    inner = jacobian(kernel)
    flat = np.concatenate([array.reshape(-1) for array in vector])
    found = inner.T @ (block @ (inner.conj() @ flat))
    ends = np.cumsum([array.size for array in vector])[:-1]
    parts = np.split(found, ends)
    return [a.reshape(b.shape) for a, b in zip(parts, vector, strict=True)]


def check(found: Any, wanted: list[Any]) -> None:
    assert isinstance(found, tuple) and len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        scale = max(1.0, float(abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("format", FORMATS)
def test_product_is_that_of_the_dense_block(format: str, case: str, dtype: str) -> None:
    hyper, rng = CASES[case], np.random.default_rng(2)
    groups = hyper.get("groups", 1)
    kernel = made(format, (6, 4 // groups, 3, 3), 2, groups=groups)
    kernel = kernel.with_factors([normal(rng, f.shape, dtype) for f in kernel.factors])
    x = normal(rng, (2, 4, 7, 6), dtype)
    shape = tnconv.networks.conv(x.shape, (6, 4 // groups, 3, 3), **hyper).shape
    root = normal(rng, (3, *shape), dtype)
    vector = [normal(rng, f.shape, dtype) for f in kernel.factors]
    block = tnconv.ggn_block(x, root, 3, **hyper)
    found = tnconv.ggn_factor_product(x, root, kernel, vector, **hyper)
    check(found, product(kernel, block, vector))


@pytest.mark.parametrize("format", ["cp", "tucker2", "tt"])
def test_transposed_layers(format: str) -> None:
    rng = np.random.default_rng(3)
    hyper: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
    kernel = made(format, (4, 6, 3, 3), 2, transposed=True)
    x = rng.normal(size=(2, 4, 4, 5))
    shape = tnconv.networks.conv_transpose(x.shape, (4, 6, 3, 3), **hyper).shape
    root = rng.normal(size=(2, *shape))
    vector = [rng.normal(size=f.shape) for f in kernel.factors]
    block = tnconv.conv_transpose_ggn_block(x, root, 3, **hyper)
    found = tnconv.conv_transpose_ggn_factor_product(x, root, kernel, vector, **hyper)
    check(found, product(kernel, block, vector))


def test_dense_block_is_that_of_explicit_jacobians() -> None:
    """What the other tests lean on, once without tnconv: rows of the GGN by hand."""
    rng = np.random.default_rng(4)
    kernel, x = made("svd-out", (3, 2, 2), 2), rng.normal(size=(2, 2, 5))
    root = rng.normal(size=(2, 2, 3, 4))
    rows = []
    for column, example in np.ndindex(2, 2):
        one, cotangent = x[example : example + 1], root[column, example][None]
        weight = oracles.conv_weight_vjp(one, cotangent, (2,)).reshape(-1)
        rows.append(weight @ jacobian(kernel))
    ggn = np.array(rows).T @ np.array(rows)
    vector = [rng.normal(size=f.shape) for f in kernel.factors]
    flat = np.concatenate([array.reshape(-1) for array in vector])
    found = tnconv.ggn_factor_product(x, root, kernel, vector)
    np.testing.assert_allclose(
        np.concatenate([array.reshape(-1) for array in found]), ggn @ flat, rtol=1e-10
    )


def test_without_a_batch_and_with_a_kernel_as_the_vector() -> None:
    rng = np.random.default_rng(5)
    kernel, x = made("cp", (6, 4, 3, 3), 2), rng.normal(size=(1, 4, 7, 6))
    root = rng.normal(size=(3, 1, 6, 5, 4))
    vector = kernel.with_factors([rng.normal(size=f.shape) for f in kernel.factors])
    with_batch = tnconv.ggn_factor_product(x, root, kernel, vector)
    alone = tnconv.ggn_factor_product(x[0], root[:, 0], kernel, vector.factors)
    again = tnconv.ggn_factor_product(x, root, kernel, with_batch)
    check(alone, list(with_batch))
    assert [a.shape for a in again] == [f.shape for f in kernel.factors]


def test_what_does_not_fit_is_said() -> None:
    rng = np.random.default_rng(6)
    kernel, x = made("cp", (6, 4, 3, 3), 2), rng.normal(size=(2, 4, 7, 6))
    root, vector = rng.normal(size=(3, 2, 6, 5, 4)), list(kernel.factors)
    with pytest.raises(ArgumentError, match="kernel is no FactorizedKernel"):
        tnconv.ggn_factor_product(x, root, kernel.to_dense(), vector)
    with pytest.raises(ArgumentError, match="shaped like each factor"):
        tnconv.ggn_factor_product(x, root, kernel, vector[:2])
    with pytest.raises(ArgumentError, match="shaped like each factor"):
        odd: Any = x
        tnconv.ggn_factor_product(x, root, kernel, odd)
    with pytest.raises(ArgumentError, match="the layer's output asks for"):
        tnconv.ggn_factor_product(x, root[0], kernel, vector)
    with pytest.raises(ArgumentError, match="weight is factorized as"):
        other = made("tucker2", (6, 4, 3, 3), 2)
        tnconv.ggn_factor_product(x, root, kernel, other)
    with pytest.raises(ArrayError, match="dtype"):
        single = kernel.with_factors([f.astype("float32") for f in kernel.factors])
        tnconv.ggn_factor_product(x, root, kernel, single)
