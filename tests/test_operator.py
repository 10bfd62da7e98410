"""Operators against the matrices they are, and in SciPy's own solvers."""

from typing import Any

import numpy as np
import pytest
from tests import oracles
from tests.libraries import LIBRARIES, Library

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError, ArrayError, NetworkError

HYPER: dict[str, Any] = {
    "groups": 2,
    "stride": 2,
    "padding": ((1, 0), (1, 1)),
    "padding_mode": "circular",
}
KERNEL, X, WEIGHT = (3, 2), (2, 4, 5, 4), (4, 2, 3, 2)


def normal(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    value = rng.standard_normal(shape)
    return value + 1j * rng.standard_normal(shape) if dtype[0] == "c" else value


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("argument", ["x", "weight"])
def test_jacobians(library: Library, dtype: str, argument: str) -> None:
    x, weight = normal(X, dtype), normal(WEIGHT, dtype, 1)
    network = networks.conv(X, WEIGHT, **HYPER)
    fixed = {"x": x, "weight": weight}
    moving = fixed.pop(argument)
    given = {k: library.array(v, dtype) for k, v in fixed.items()}
    found = tnconv.operator(network, argument, **given)
    if argument == "weight":
        run = lambda value: oracles.conv(x, value, **HYPER)  # noqa: E731
    else:
        run = lambda value: oracles.conv(value, weight, **HYPER)  # noqa: E731
    full = oracles.jacobian(run, moving.shape, x.dtype)
    matrix = full.reshape(found.shape)
    into, out = (normal((n, 2), dtype, 2) for n in reversed(found.shape))
    for method, value, expected in (
        ("matmat", into, matrix @ into),
        ("rmatmat", out, matrix.conj().T @ out),
        ("matvec", into[:, 0], matrix @ into[:, 0]),
        ("rmatvec", out[:, :1], matrix.conj().T @ out[:, :1]),
    ):
        result = getattr(found, method)(library.array(value, dtype))
        library.check(result, dtype)
        np.testing.assert_allclose(library.values(result), expected, atol=1e-10)


def test_scipy_takes_it() -> None:
    linalg = pytest.importorskip("scipy.sparse.linalg")
    x = normal(X, "float64")
    jacobian = tnconv.operator(networks.conv(X, WEIGHT, **HYPER), "weight", x=x)
    wrapped = linalg.aslinearoperator(jacobian)
    dense = tnconv.conv_weight_jacobian(x, 4, KERNEL, **HYPER).reshape(jacobian.shape)
    assert wrapped.shape == dense.shape and wrapped.dtype == dense.dtype
    found = linalg.svds(wrapped, k=1, return_singular_vectors=False)
    np.testing.assert_allclose(found, np.linalg.norm(dense, 2))
    out = networks.conv(X, WEIGHT, **HYPER).shape
    root = normal((3, *out), "float64", 1)
    network = networks.ggn_product(X, root.shape, WEIGHT, KERNEL, **HYPER)
    ggn = tnconv.operator(network, "vector", x=x, sqrt_curvature=root)
    block = tnconv.ggn_block(x, root, KERNEL, **HYPER)
    np.testing.assert_allclose(ggn.matmat(np.eye(len(block))), block, atol=1e-10)
    largest = linalg.eigsh(linalg.aslinearoperator(ggn), k=1)[0]
    np.testing.assert_allclose(largest, np.linalg.norm(block, 2))


def test_what_cannot_be_is_refused() -> None:
    network, x = networks.conv(X, WEIGHT, groups=2), np.ones(X)
    for arrays in ({}, {"y": x}, {"x": x[:1]}):
        with pytest.raises(ArgumentError, match="operator"):
            tnconv.operator(network, "weight", **arrays)
    with pytest.raises(NetworkError, match="exactly one"):
        tnconv.operator(networks.kfac_input_factor(X, KERNEL), "x")
    jacobian = tnconv.operator(network, "weight", x=x)
    with pytest.raises(ArgumentError, match="matvec"):
        jacobian.matvec(np.ones(3))
    with pytest.raises(ArrayError):
        jacobian.matvec(np.ones(jacobian.shape[1], "float32"))
