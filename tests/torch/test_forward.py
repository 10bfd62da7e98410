"""Every public operation on tensors against PyTorch's own functions and autograd."""

from typing import Any

import pytest
import torch
from tests.torch.layers import LAYERS, Layer
from torch.nn import functional as F

import tnconv

Tensor = torch.Tensor
LIMITS = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.complex64: 1e-5,
    torch.complex128: 1e-12,
    torch.bfloat16: 2**-7,
    torch.float16: 2**-10,
}
by_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
by_dtype = pytest.mark.parametrize("dtype", LIMITS, ids=str)


def close(found: Tensor, expected: Tensor, limit: float = 1e-12) -> None:
    """Same shape, dtype and values, relative to the largest value."""
    found, expected = found.detach(), expected.detach()
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.numel():
        wide = torch.complex128 if found.is_complex() else torch.float64
        scale = max(1.0, float(expected.to(wide).abs().max()))
        assert float((found.to(wide) - expected.to(wide)).abs().max()) <= limit * scale


@by_dtype
@by_layer
def test_forward(layer: Layer, dtype: torch.dtype) -> None:
    x, weight, _ = layer.tensors(dtype)
    half = dtype in (torch.bfloat16, torch.float16)
    wide = torch.float32 if half else dtype
    expected = layer.peer(x.to(wide), weight.to(wide)).to(dtype)
    close(layer.ours(x, weight), expected, LIMITS[dtype])


@pytest.mark.parametrize("name", ("plain", "groups", "transposed", "unbatched"))
def test_bias(name: str) -> None:
    (layer,) = (layer for layer in LAYERS if layer.name == name)
    arrays = layer.tensors(torch.float64)
    close(layer.ours(*arrays), layer.peer(*arrays))


@by_layer
def test_vjps_and_jvps(layer: Layer) -> None:
    x, weight, bias = layer.tensors(torch.float64)
    for tensor in (x, weight, bias):
        tensor.requires_grad_()
    out = layer.peer(x, weight, bias)
    cotangent = torch.randn(out.shape, dtype=out.dtype)
    wanted = torch.autograd.grad(out, (x, weight, bias), cotangent)
    x, weight, bias = (t.detach() for t in (x, weight, bias))
    spatial, kernel = x.shape[-layer.axes :], weight.shape[2:]
    prefix, known = layer.prefix, layer.keywords
    vjp: Any = getattr(tnconv, f"{prefix}_input_vjp")
    close(vjp(weight, cotangent, tuple(spatial), **known), wanted[0])
    vjp = getattr(tnconv, f"{prefix}_weight_vjp")
    close(vjp(x, cotangent, tuple(kernel), **known), wanted[1])
    vjp, batched = getattr(tnconv, f"{prefix}_bias_vjp"), x.ndim > layer.axes + 1
    close(vjp(cotangent, batched=batched), wanted[2])
    tangents = layer.tensors(torch.float64, seed=1)
    expected = torch.func.jvp(layer.peer, (x, weight, bias), tangents)[1]
    names = ("x_tangent", "weight_tangent", "bias_tangent")
    jvp: Any = getattr(tnconv, f"{prefix}_jvp")
    found = jvp(x, weight, **dict(zip(names, tangents, strict=True)), **known)
    close(found, expected)


@by_layer
def test_weight_jacobian(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float64)
    expected = torch.func.jacrev(layer.peer, argnums=1)(x, weight)
    jacobian: Any = getattr(tnconv, f"{layer.prefix}_weight_jacobian")
    found = jacobian(x, layer.channels, tuple(weight.shape[2:]), **layer.keywords)
    close(found, expected)


@by_layer
def test_toeplitz_or_unfold_transpose_is_the_layer(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float64)
    expected = layer.peer(x, weight)
    if not layer.transposed:
        sizes = tuple(x.shape[-layer.axes :])
        matrix = tnconv.toeplitz(weight, sizes, **layer.keywords)
        flat = x.reshape(-1, matrix.shape[1]) @ matrix.T
        close(flat.reshape(expected.shape), expected)
    elif layer.hyper.get("groups", 1) == 1:
        columns = tnconv.unfold_transpose(x, tuple(weight.shape[2:]), **layer.keywords)
        rows = (
            weight.transpose(0, 1)
            .reshape(weight.shape[1], -1)
            .expand(*columns.shape[:-2], -1, -1)
        )
        found = (columns.transpose(-1, -2) @ rows.transpose(-1, -2)).transpose(-1, -2)
        close(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("stride", (1, 2))
@pytest.mark.parametrize("dilation", (1, 2))
def test_unfold_and_fold(stride: int, dilation: int) -> None:
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    known: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": 1}
    columns = F.unfold(x, (2, 3), **known)
    close(tnconv.unfold(x, (2, 3), **known), columns)
    expected = F.fold(columns, (7, 6), (2, 3), **known)
    close(tnconv.fold(columns, (7, 6), (2, 3), **known), expected)


def test_contract() -> None:
    x, weight, _ = LAYERS[0].tensors(torch.float64)
    found = tnconv.contract("n c i, i ~ o + k, d c k -> n d o", x, weight)
    close(found, LAYERS[0].peer(x, weight))


@pytest.mark.parametrize(
    "dtype", (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64), ids=str
)
@by_layer
def test_integers(layer: Layer, dtype: torch.dtype) -> None:
    x, weight, _ = (t.mul(2).round() for t in layer.tensors(torch.float64))
    if dtype is torch.uint8:
        x, weight = x.abs(), weight.abs()
    expected = layer.peer(x, weight).round()
    assert torch.equal(layer.ours(x.to(dtype), weight.to(dtype)), expected.to(dtype))
