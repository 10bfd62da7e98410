"""Autograd through a factorized kernel is autograd through its dense weight."""

from typing import Any

import numpy as np
import pytest
from tests.factor.test_kernel import made

import tnconv
from tnconv.factor import FORMATS, FactorizedKernel

HYPER: dict[str, Any] = {"stride": (2, 1), "padding": 1, "dilation": (1, 2)}


@pytest.mark.parametrize("format", FORMATS)
def test_torch_gradients_of_factors(format: str) -> None:
    torch = pytest.importorskip("torch")
    kernel = in_torch(made(format, (6, 4, 3, 2), 2))
    x = torch.randn(2, 4, 7, 8, dtype=torch.float64, requires_grad=True)
    torch_conv = torch.nn.functional.conv2d
    y = tnconv.conv(x, kernel, **HYPER)
    dense = kernel.to_dense()
    other = torch_conv(x, dense, **HYPER)
    assert torch.allclose(y, other, rtol=1e-10, atol=1e-10)
    wanted = (x, *kernel.factors)
    cotangent = torch.randn_like(y)
    expected = torch.autograd.grad(other, wanted, cotangent)
    found = torch.autograd.grad(y, wanted, cotangent)
    for one, two in zip(found, expected, strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-10)
    ours = tnconv.conv_factor_vjps(x.detach(), cotangent, plain(kernel), **HYPER)
    for one, two in zip(ours, expected[1:], strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-10)


def in_torch(kernel: FactorizedKernel) -> FactorizedKernel:
    torch = pytest.importorskip("torch")
    factors = [torch.from_numpy(f).requires_grad_() for f in kernel.factors]
    return kernel.with_factors(factors)


def plain(kernel: FactorizedKernel) -> FactorizedKernel:
    return kernel.with_factors([factor.detach() for factor in kernel.factors])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # forward mode's own
def test_torch_second_derivatives_and_transforms() -> None:
    torch = pytest.importorskip("torch")
    kernel = in_torch(made("tucker2", (3, 2, 2), (2, 1)))
    x = torch.randn(2, 2, 5, dtype=torch.float64, requires_grad=True)

    def apply(x: Any, *factors: Any) -> Any:
        return tnconv.conv(x, kernel.with_factors(factors), padding=1)

    assert torch.autograd.gradcheck(apply, (x, *kernel.factors))
    assert torch.autograd.gradgradcheck(apply, (x, *kernel.factors))
    free = plain(kernel).factors
    given, tangents = (x.detach(), *free), tuple(2 * a for a in (x.detach(), *free))
    _, tangent = torch.func.jvp(apply, given, tangents)
    ours = tnconv.conv_jvp(
        given[0],
        kernel.with_factors(free),
        x_tangent=tangents[0],
        weight_tangent=kernel.with_factors(tangents[1:]),
        padding=1,
    )
    assert torch.allclose(tangent, ours, rtol=1e-10, atol=1e-10)
    each = torch.func.vmap(apply, (0, None, None, None))(given[0][:, None], *free)
    assert torch.allclose(each[:, 0], apply(given[0], *free), rtol=1e-10, atol=1e-10)


def test_jax_gradients_and_jit_of_factors() -> None:
    jax = pytest.importorskip("jax")
    kernel = made("cp3", (6, 4, 3, 3), 2)
    factors = tuple(jax.numpy.asarray(f, "float32") for f in kernel.factors)
    x = jax.random.normal(jax.random.key(0), (2, 4, 7, 7))

    def loss(factors: Any) -> Any:
        return (tnconv.conv(x, kernel.with_factors(factors), padding=1) ** 2).sum()

    def dense(factors: Any) -> Any:
        weight = jax.numpy.einsum("dr,cr,xyr->dcxy", *factors)
        y = jax.lax.conv_general_dilated(x, weight, (1, 1), [(1, 1), (1, 1)])
        return (y**2).sum()

    found = jax.jit(jax.grad(loss))(factors)
    for one, two in zip(found, jax.grad(dense)(factors), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-3, atol=1e-3)
