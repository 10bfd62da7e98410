"""What tensors may be: strides, bits, sizes, devices, layouts; and that none alias."""

import pytest
import torch
from tests.torch.layers import LAYERS, Layer
from tests.torch.test_forward import close

import tnconv
from tnconv.errors import ArrayError

Tensor = torch.Tensor
by_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


def scattered(x: Tensor) -> Tensor:
    """The same values with axes stored backwards, gaps between, and an offset."""
    order = tuple(reversed(range(x.ndim)))
    stored = x.permute(order)
    wide = x.new_full([2 * n + 3 for n in stored.shape], float("nan"))
    view = wide[tuple(slice(2, 2 + 2 * n, 2) for n in stored.shape)]
    view.copy_(stored)
    return view.permute(order)


@by_layer
def test_any_strides(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float64)
    expected = layer.peer(x, weight)
    for odd in (scattered, lambda t: t.transpose(0, -1).contiguous().transpose(0, -1)):
        close(layer.ours(odd(x), weight), expected)
        close(layer.ours(x, odd(weight)), expected)
    x, weight = x.requires_grad_(), weight.requires_grad_()
    cotangent = torch.randn(expected.shape, dtype=expected.dtype)
    wanted = torch.autograd.grad(layer.peer(x, weight), (x, weight), cotangent)
    found = torch.autograd.grad(
        layer.ours(x, weight), (x, weight), scattered(cotangent)
    )
    for mine, other in zip(found, wanted, strict=True):
        close(mine, other)


@by_layer
def test_expanded_arrays(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float64)
    wide = x[..., :1].expand(x.shape)
    flat = weight[:1].expand(weight.shape)
    close(layer.ours(wide, flat), layer.peer(wide.clone(), flat.clone()))


def test_channels_last() -> None:
    for layer in LAYERS:
        if layer.axes == 2:
            x, weight, _ = layer.tensors(torch.float32)
            last = x.to(memory_format=torch.channels_last)
            close(layer.ours(last, weight), layer.peer(x, weight), 1e-5)


def test_conjugate_and_negative_bits() -> None:
    layer = LAYERS[0]
    x, weight, _ = layer.tensors(torch.complex128)
    found = layer.ours(x.conj(), weight)
    assert not found.is_conj()
    close(found, layer.peer(x.conj().resolve_conj(), weight))
    negative = x.conj().imag
    assert negative.is_neg()
    real = weight.real.contiguous()
    found = layer.ours(negative, real)
    assert not found.is_neg()
    close(found, layer.peer(negative.resolve_neg(), real))


def test_results_share_no_memory_with_arguments() -> None:
    x = torch.randn(2, 3, 4, 4)
    weight = torch.randn(3, 3, 1, 1)
    back = x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    for given in (x, back):
        before = given.clone()
        for result in (
            tnconv.unfold(given, 1),
            tnconv.fold(given.reshape(2, 3, 16), (4, 4), 1),
            tnconv.contract("a b c d -> a b c d", given),
            tnconv.contract("a b c d -> d c b a", given),
            tnconv.contract("a b c d -> (a b) c d", given),
            tnconv.toeplitz(weight, 1),
            tnconv.conv_bias_vjp(given[:, :, :1, :1], per_example=True),
        ):
            result.fill_(7.0)
            assert torch.equal(given, before)
            assert not bool((weight == 7.0).any())


@pytest.mark.parametrize(
    ("x", "weight"),
    [((0, 2, 5), (3, 2, 2)), ((2, 0, 5), (3, 0, 2)), ((2, 2, 5), (0, 2, 2))],
)
def test_empty_arrays(x: tuple[int, ...], weight: tuple[int, ...]) -> None:
    arrays = [
        torch.ones(s, dtype=torch.float64, requires_grad=True) for s in (x, weight)
    ]
    found = tnconv.conv(*arrays)
    assert found.shape == (x[0], weight[0], 4)
    assert not bool(found.any())
    grads = torch.autograd.grad(found.sum(), arrays)
    for array, grad in zip(arrays, grads, strict=True):
        close(grad, torch.zeros_like(array))


def test_meta_tensors_have_the_shape() -> None:
    for layer in LAYERS:
        x, weight, _ = (t.to("meta") for t in layer.tensors(torch.float32))
        found = layer.ours(x, weight)
        assert found.is_meta
        assert found.shape == layer.peer(x, weight).shape


@pytest.mark.filterwarnings("ignore:ComplexHalf support")
def test_what_is_refused() -> None:
    x, weight, _ = LAYERS[0].tensors(torch.float32)
    with pytest.raises(ArrayError, match="device meta"):
        tnconv.conv(x, weight.to("meta"))
    with pytest.raises(ArrayError, match="dtype float64"):
        tnconv.conv(x, weight.double())
    for name in ("bool", "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn"):
        odd = torch.empty(2, 3, 6, dtype=getattr(torch, name))
        with pytest.raises(ArrayError, match=name):
            tnconv.conv(odd, weight.to(odd.dtype))
    LAYERS[0].ours(x, weight)  # a sparse tensor is refused after a dense one as well
    for _ in range(2):
        with pytest.raises(ArrayError, match="to_dense"):
            tnconv.conv(x.to_sparse(), weight)
    with pytest.raises(ArrayError):
        tnconv.conv(x, weight.numpy())


def test_parameters_are_tensors() -> None:
    x, weight, _ = LAYERS[0].tensors(torch.float64)
    found = LAYERS[0].ours(x, torch.nn.Parameter(weight))
    assert type(found) is torch.Tensor
    assert found.requires_grad
    close(found.detach(), LAYERS[0].peer(x, weight))


@by_layer
def test_same_bits_every_time(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float32)
    first = layer.ours(x, weight)
    for _ in range(3):
        assert torch.equal(layer.ours(x, weight), first)
