"""Kronecker factors of each factor: those of the layers of a chain, by hand."""

from typing import Any

import numpy as np
import pytest
from tests import oracles
from tests.factor.test_kernel import made

import tnconv
from tnconv.errors import ArgumentError

HYPER: dict[str, Any] = {"stride": 2, "padding": 1}
POINT: dict[str, Any] = {}


def chain_factors(steps: list[tuple[Any, dict[str, Any]]], x: Any, g: Any) -> Any:
    """Input and output factor of every layer: (groups, a, a) and (groups, b, b)."""
    maps = [x]
    for weight, hyper in steps:
        maps.append(oracles.conv(maps[-1], weight, **hyper))
    found = []
    for (weight, hyper), read in zip(reversed(steps), reversed(maps[:-1]), strict=True):
        groups = hyper.get("groups", 1)
        read_squared = oracles.kfac_input_factor(
            read, weight.shape[2:], normalization="none", **hyper
        )
        written = oracles.kfac_output_factor(g, groups=groups)
        found.append((read_squared, written))
        g = oracles.conv_input_vjp(weight, g, read.shape[2:], **hyper)
    return found[::-1]


def arrays(kernel: Any, padding_mode: str = "zeros") -> tuple[Any, Any]:
    """An input and a cotangent."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 4, 7, 8))
    y = oracles.conv(x, kernel.to_dense(), **HYPER, padding_mode=padding_mode)
    return x, rng.normal(size=y.shape)


def check(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_tucker2_is_three_layers(mode: str) -> None:
    kernel = made("tucker2", (6, 4, 3, 3), (3, 2))
    out, core, into = kernel.factors
    x, g = arrays(kernel, mode)
    point, middle = into.T[..., None, None], {**HYPER, "padding_mode": mode}
    steps = [(point, POINT), (core, middle), (out[..., None, None], POINT)]
    first, second, third = chain_factors(steps, x, g)
    found = tnconv.kfac_factors(
        x, g, kernel, normalization="none", **HYPER, padding_mode=mode
    )
    check(found, [third, second, first])
    means = tnconv.kfac_factors(x, g, kernel, **HYPER, padding_mode=mode)
    np.testing.assert_allclose(means[1][0], second[0] / (2 * 4 * 4), rtol=1e-9)
    np.testing.assert_allclose(means[2][0], first[0] / (2 * 7 * 8), rtol=1e-9)


def test_cp_has_depthwise_layers_along_each_axis() -> None:
    kernel = made("cp", (6, 4, 3, 3), 5)
    out, into, tall, wide = kernel.factors
    x, g = arrays(kernel)
    along = [
        {"stride": (2, 1), "padding": (1, 0), "groups": 5},
        {"stride": (1, 2), "padding": (0, 1), "groups": 5},
    ]
    steps = [
        (into.T[..., None, None], POINT),
        (tall.T[:, None, :, None], along[0]),
        (wide.T[:, None, None], along[1]),
        (out[..., None, None], POINT),
    ]
    first, second, third, last = chain_factors(steps, x, g)
    found = tnconv.kfac_factors(x, g, kernel, normalization="none", **HYPER)
    check(found, [last, first, second, third])


def test_groups_are_groups() -> None:
    kernel = made("svd-out", (6, 2, 3, 3), 2, groups=2)
    out, into = kernel.factors
    rng = np.random.default_rng(1)
    x, g = rng.normal(size=(2, 4, 5, 5)), rng.normal(size=(2, 6, 3, 3))
    steps = [
        (into.reshape(4, 2, 3, 3), {"groups": 2}),
        (out.reshape(6, 2, 1, 1), {"groups": 2}),
    ]
    first, last = chain_factors(steps, x, g)
    found = tnconv.kfac_factors(x, g, kernel, normalization="none", groups=2)
    check(found, [last, first])


def transposed_chain_factors(
    steps: list[tuple[Any, dict[str, Any]]], x: Any, g: Any
) -> Any:
    """As :func:`chain_factors`, of transposed layers: weights (in, out, *kernel)."""
    maps = [x]
    for weight, hyper in steps:
        maps.append(oracles.conv_transpose(maps[-1], weight, **hyper))
    found = []
    for (weight, hyper), read in zip(reversed(steps), reversed(maps[:-1]), strict=True):
        read_squared = oracles.kfac_transpose_input_factor(
            read, weight.shape[2:], normalization="none", **hyper
        )
        written = oracles.kfac_output_factor(g, groups=hyper.get("groups", 1))
        found.append((read_squared, written))
        size = read.shape[2:]
        g = oracles.conv_transpose_input_vjp(weight, g, size, **hyper)
    return found[::-1]


def test_transposed_tucker2_is_three_layers() -> None:
    kernel = made("tucker2", (4, 6, 3, 2), (3, 2), transposed=True)
    out, core, into = kernel.factors
    rng = np.random.default_rng(1)
    hyper: dict[str, Any] = {"stride": (2, 1), "padding": 1}
    x = rng.normal(size=(2, 4, 5, 6))
    steps = [
        (into[..., None, None], POINT),
        (core.swapaxes(0, 1), hyper),
        (out.T[..., None, None], POINT),
    ]
    y = oracles.conv_transpose(x, kernel.to_dense(), **hyper)
    g = rng.normal(size=y.shape)
    first, second, third = transposed_chain_factors(steps, x, g)
    found = tnconv.kfac_transpose_factors(x, g, kernel, normalization="none", **hyper)
    check(found, [third, second, first])
    means = tnconv.kfac_transpose_factors(x, g, kernel, **hyper)
    np.testing.assert_allclose(means[1][0], second[0] / (2 * y[0, 0].size), rtol=1e-9)
    with pytest.raises(ArgumentError, match="cotangent has shape"):
        tnconv.kfac_transpose_factors(x, g[:, :2], kernel, **hyper)


def test_bad_calls_are_refused() -> None:
    kernel = made("tucker2", (6, 4, 3, 3), (3, 2))
    x, g = arrays(kernel)
    with pytest.raises(ArgumentError, match="cotangent has shape"):
        tnconv.kfac_factors(x, g, kernel)
    with pytest.raises(ArgumentError, match="normalization is 'mean'"):
        tnconv.kfac_factors(x, g, kernel, normalization="mean", **HYPER)
    with pytest.raises(ArgumentError, match="no FactorizedKernel"):
        tnconv.kfac_factors(x, g, kernel.to_dense(), **HYPER)
