"""Factorized layers compute what PyTorch's layer with the dense weight does."""

import copy
import io
from typing import Any

import pytest
import torch
from tests.torch.compress.cases import CASES, TR, Case
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import FactorizedKernel
from tnconv_backends.torch.compress import (
    FactorizedConv1d,
    FactorizedConv2d,
    FactorizedLinear,
    factorized,
)

Tensor = torch.Tensor
#: each case in some formats, each format in some cases
PAIRS = [
    (case, case.formats[(2 * at + more) % len(case.formats)])
    for at, case in enumerate(CASES)
    for more in (0, 4)
]
SAME = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def close(found: Any, wanted: Any) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def gradients(module: nn.Module, x: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    y: Tensor = module(x)
    return y, *torch.autograd.grad(y.tanh().sum(), (x, *of))


@SAME
@pytest.mark.parametrize("case, format", PAIRS, ids=str)
def test_the_layer_is_the_dense_one(case: Case, format: str) -> None:
    module, x = case.module(format), case.input().requires_grad_()
    factors = list(module.factors.values())
    found = gradients(module, x, *factors)
    dense: Any = module.to_dense()
    weight: Tensor = dense.weight
    y, of_x, of_weight = gradients(dense, x, weight)
    pulled = torch.autograd.grad(module.weight, factors, of_weight)
    for mine, other in zip(found, (y, of_x, *pulled), strict=True):
        close(mine, other)
    close(module.to_sequential()(x), y)


@SAME
@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_its_state_travels(case: Case) -> None:
    module = case.module("tucker2", 1)
    other = copy.deepcopy(module)
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    third = case.module("tucker2", 1, device="meta").to_empty(device="cpu")
    third.load_state_dict(torch.load(buffer, weights_only=True))
    x = case.input()
    close(other(x), module(x))
    close(third(x), module(x))
    assert repr(other) == repr(module)
    used = torch.autograd.grad(module(x).sum(), list(module.parameters()))
    assert len(used) == len(list(module.parameters()))  # none unused, as DDP wants


def test_a_layer_keeps_what_it_was() -> None:
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False).double().eval()
    layer.weight.requires_grad_(False)
    kernel = FactorizedConv2d(4, 6, 3, format="svd-out", ranks=2).double().kernel
    found = factorized(layer, kernel)
    assert type(found) is FactorizedConv2d and not found.training
    assert not any(p.requires_grad for p in found.parameters())
    assert found.bias is None and found.stride == (2, 2)
    close(found.weight, kernel.to_dense().detach())
    trained = factorized(nn.Conv2d(4, 6, 3).double(), kernel)
    assert all(p.requires_grad for p in trained.parameters())


@pytest.mark.parametrize("size", [(5, 6), (6, 5)])
def test_a_transposed_layer_gives_the_size_that_is_asked_for(size: Any) -> None:
    case = Case(f"{TR}2d", (2, 3, 3), (1, 2, 3, 3), {"stride": 2, "padding": 1})
    module, x = case.module("tucker2"), case.input()
    dense: Any = module.to_dense()
    close(module(x, output_size=size), dense(x, output_size=size))
    with pytest.raises(ArgumentError, match="output_size is"):
        module(x, output_size=(9, 9))


def test_autocast_has_the_type_it_asks_for() -> None:
    module = FactorizedConv1d(3, 4, 3, format="cp", ranks=2)
    x = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = module(x), module.to_dense()(x)
    assert found.dtype == wanted.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05)
    found.float().sum().backward()
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled(backend: str) -> None:
    module = FactorizedConv2d(3, 4, 3, format="tucker2", ranks=2, padding=1)
    model = nn.Sequential(module, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 2))
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.compiler.reset()
    compiled = torch.compile(model, backend=backend)
    torch.testing.assert_close(compiled(x), model(x))
    wanted = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    found = torch.autograd.grad(compiled(x).sum(), list(model.parameters()))
    torch.testing.assert_close(found, wanted)


def test_random_weights_have_pytorchs_variance() -> None:
    torch.manual_seed(0)
    module = FactorizedConv2d(64, 64, 3, format="tucker2", ranks=(40, 30))
    wanted = nn.Conv2d(64, 64, 3).weight.var().item()
    assert 0.7 < module.weight.var().item() / wanted < 1.4


def test_a_network_of_ones_own() -> None:
    from tnconv import parse

    network = parse("u: d r, v: r c, w: r k -> d c k", shapes=[(6, 2), (2, 4), (2, 3)])
    module = FactorizedConv1d(4, 6, 3, format=network).double()
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    close(module(x), module.to_dense()(x))
    close(module.to_sequential()(x), module(x))
    assert sorted(module.factors) == ["u", "v", "w"]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FactorizedLinear(4, 5, format="tucker", ranks=9), "none above"),
        (lambda: FactorizedLinear(4, 5, format="cp5", ranks=1), "is not known"),
        (lambda: FactorizedLinear(4, 5, format="cp"), "no ranks"),
        (
            lambda: FactorizedLinear(4, 5, format="svd-in", ranks=2)(torch.ones(2, 3)),
            "last axis has 4",
        ),
        (lambda: factorized(nn.Bilinear(2, 2, 2), kernel()), "Bilinear has no"),
        (lambda: factorized(nn.Linear(3, 3), kernel()), "shape"),
        (lambda: factorized(nn.Linear(4, 5), kernel(torch.float64)), "convert one"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def kernel(dtype: torch.dtype = torch.float32) -> FactorizedKernel:
    factors = torch.ones(5, 2, dtype=dtype), torch.ones(2, 4, dtype=dtype)
    return FactorizedKernel.of("svd-in", (5, 4), factors)
