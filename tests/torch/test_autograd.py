"""Derivatives through autograd: first, second, real, complex; and what is saved."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.torch.layers import LAYERS, Layer
from tests.torch.test_forward import close
from torch.autograd import gradcheck, gradgradcheck

import tnconv
from tnconv.edits import pair
from tnconv.network import Input, SubNetwork

Tensor = torch.Tensor
by_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
COMPLEX = ("plain", "groups", "reflect", "transposed stride")


def inputs(layer: Layer, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Arrays that want a gradient."""
    return tuple(t.requires_grad_() for t in layer.tensors(dtype))


def named(name: str) -> Layer:
    """A layer by name."""
    (layer,) = (layer for layer in LAYERS if layer.name == name)
    return layer


@by_layer
def test_first_derivatives(layer: Layer) -> None:
    assert gradcheck(layer.ours, inputs(layer), check_forward_ad=True, fast_mode=True)


@by_layer
def test_second_derivatives(layer: Layer) -> None:
    assert gradgradcheck(layer.ours, inputs(layer), fast_mode=True)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives(name: str) -> None:
    arrays = inputs(named(name), torch.complex128)
    assert gradcheck(
        named(name).ours, arrays, check_forward_ad=True, check_batched_grad=True
    )
    assert gradgradcheck(named(name).ours, arrays, fast_mode=True)


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16, torch.float16))
@by_layer
def test_gradients_of_narrow_types(layer: Layer, dtype: torch.dtype) -> None:
    ours, theirs = inputs(layer, dtype), inputs(layer, dtype)
    limit = {torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-9}[dtype]
    out = layer.peer(*(t.double() for t in theirs))
    cotangent = torch.randn(out.shape).to(dtype)
    wanted = torch.autograd.grad(out, theirs, cotangent.double())
    found = torch.autograd.grad(layer.ours(*ours), ours, cotangent)
    for mine, other in zip(found, wanted, strict=True):
        close(mine, other, limit)


KNOWN: dict[str, Any] = {"padding": 1, "stride": 2}
#: operations of one array (2, 2, 6) or of that and a cotangent (2, 2, 3)
OF_ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "unfold": lambda x: tnconv.unfold(x, (3,), **KNOWN),
    "fold": lambda x: tnconv.fold(x[..., :3].repeat(1, 3, 1), (6,), 3, **KNOWN),
    "toeplitz": lambda x: tnconv.toeplitz(x[..., :3], 6, **KNOWN),
    "unfold_transpose": lambda x: tnconv.unfold_transpose(x, (3,), **KNOWN),
    "jacobian": lambda x: tnconv.conv_weight_jacobian(x, 2, (3,), **KNOWN),
    "bias": lambda x: tnconv.conv_bias_vjp(x, per_example=True),
}
OF_TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "weight": lambda x, v: tnconv.conv_weight_vjp(x, v, (3,), **KNOWN),
    "input": lambda x, v: tnconv.conv_input_vjp(x[..., :3], v, 6, **KNOWN),
    "jvp": lambda x, v: tnconv.conv_jvp(x, v, x_tangent=2 * x, **KNOWN),
}


@pytest.mark.parametrize("name", (*OF_ONE, *OF_TWO))
def test_every_operation_is_differentiable(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 6, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    if name in OF_ONE:
        assert gradcheck(OF_ONE[name], x, check_forward_ad=True)
    else:
        assert gradcheck(OF_TWO[name], (x, v), check_forward_ad=True)
        assert gradgradcheck(OF_TWO[name], (x, v), fast_mode=True)


@pytest.mark.parametrize("dtype", (torch.float64, torch.complex128), ids=str)
def test_one_array_read_twice(dtype: torch.dtype) -> None:
    gram = pair(tnconv.networks.unfold((2, 2, 5), (3,)), output=())
    torch.manual_seed(0)
    x = torch.randn(2, 2, 5, dtype=dtype, requires_grad=True)
    expected = torch.nn.functional.unfold(x[:, :, None], (1, 3)).sum().abs().square()
    found = tnconv.contract(gram, x)
    close(found.detach(), expected.detach().to(dtype))
    assert gradcheck(lambda y: tnconv.contract(gram, y), (x,), check_forward_ad=True)
    assert gradgradcheck(lambda y: tnconv.contract(gram, y), (x,))


@pytest.mark.parametrize("dtype", (torch.float64, torch.complex128), ids=str)
def test_arrays_inside_sub_networks(dtype: torch.dtype) -> None:
    inner = tnconv.networks.conv((2, 3, 5), (3, 3, 2))
    outer = tnconv.networks.conv((2, 3, 4), (3, 3, 2))
    first = outer.operands[0]
    assert isinstance(first, Input)
    twice = outer.with_operands((SubNetwork(inner, first.axes), *outer.operands[1:]))
    assert set(twice.arguments) == {"x", "weight"}  # both layers read one weight
    torch.manual_seed(0)
    given = {
        "x": torch.randn(2, 3, 5, dtype=dtype, requires_grad=True),
        "weight": torch.randn(3, 3, 2, dtype=dtype, requires_grad=True),
    }
    arrays = tuple(given[name] for name in twice.arguments)
    conv1d = torch.nn.functional.conv1d

    def ours(*tensors: Tensor) -> Tensor:
        return tnconv.contract(twice, *tensors)  # type: ignore[no-any-return]

    def peer(*tensors: Tensor) -> Tensor:
        named = dict(zip(twice.arguments, tensors, strict=True))
        return conv1d(conv1d(named["x"], named["weight"]), named["weight"])

    close(ours(*arrays).detach(), peer(*arrays).detach())
    assert gradcheck(ours, arrays, check_forward_ad=True)
    assert gradgradcheck(ours, arrays, fast_mode=True)
    many = [torch.stack([a.detach(), 2 * a.detach()]) for a in arrays]
    close(torch.func.vmap(ours)(*many), torch.func.vmap(peer)(*many))


@pytest.mark.parametrize(
    ("wanted", "saved"),
    [((True, True), "xw"), ((True, False), "w"), ((False, True), "x")],
)
@pytest.mark.parametrize("name", ("patches", "depthwise", "reflect", "transposed"))
def test_saved_for_backward(name: str, wanted: tuple[bool, bool], saved: str) -> None:
    layer = named(name)
    arrays = [
        t.requires_grad_(w)
        for t, w in zip(layer.tensors(torch.float64)[:2], wanted, strict=True)
    ]
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer.ours(*arrays)
    pointers = dict(zip("xw", (a.data_ptr() for a in arrays), strict=True))
    assert sorted(t.data_ptr() for t in kept) == sorted(pointers[n] for n in saved)
    sizes = dict(zip("xw", (a.nbytes for a in arrays), strict=True))
    assert sum(t.nbytes for t in kept) == sum(sizes[n] for n in saved)


def test_nothing_is_saved_without_gradients() -> None:
    x, weight, _ = inputs(LAYERS[0])
    with torch.no_grad():
        assert not LAYERS[0].ours(x, weight).requires_grad
    with torch.inference_mode():
        assert LAYERS[0].ours(x, weight).is_inference()
    assert LAYERS[0].ours(x.detach(), weight.detach()).grad_fn is None
    close(LAYERS[0].ours(x, weight).detach(), LAYERS[0].peer(x, weight).detach())


def test_retained_graph_and_accumulation() -> None:
    layer = named("plain")
    x, weight, bias = inputs(layer)
    out: Any = layer.ours(x, weight, bias)
    out.sum().backward(retain_graph=True)
    assert weight.grad is not None
    once = weight.grad.clone()
    out.sum().backward()
    close(weight.grad, 2 * once)
