"""Layers with sampled gradients: what they compute, what they keep, how they draw."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import tnconv
from tnconv.errors import ArgumentError
from tnconv_backends.torch.modules import (
    SampledConv1d,
    SampledConv2d,
    SampledConv3d,
    SampledConvTranspose1d,
    SampledConvTranspose2d,
    SampledConvTranspose3d,
)
from tnconv_backends.torch.sampled import sampled_conv, sampled_conv_transpose

Tensor = torch.Tensor
KEEP, INPUT_KEEP = {"n": 0.5, "i0": 0.5, "c": 0.5}, {"d": 0.5, "o0": 0.5}
HYPERS: tuple[dict[str, Any], ...] = (
    {"padding": 1},
    {"stride": 2, "padding": 1, "groups": 2},
    {"dilation": 2, "padding": "same"},
    {"stride": 2, "dilation": 2, "padding": 2},
)

TRANSPOSED_HYPERS: tuple[dict[str, Any], ...] = (
    {"padding": 1},
    {"stride": 2, "padding": 1, "groups": 2, "output_padding": 1},
    {"stride": 2, "dilation": 2, "padding": 2},
)


def tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    ]


def kept_bytes(run: Callable[[], Tensor], *free: Tensor) -> tuple[int, Tensor]:
    """Bytes that autograd keeps for the backward pass, but those of ``free``."""
    known = {tensor.untyped_storage().data_ptr() for tensor in free}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    return sum(found.values()), result


@pytest.mark.parametrize("hyper", HYPERS, ids=str)
@pytest.mark.parametrize("batched", (True, False))
def test_gradients_are_the_sampled_vjps(hyper: dict[str, Any], batched: bool) -> None:
    x, weight = tensors((4, 4, 8, 7), (6, 4 // hyper.get("groups", 1), 3, 3))
    x = (x if batched else x[0]).requires_grad_()
    weight.requires_grad_()
    keep = {label: KEEP[label] for label in KEEP if batched or label != "n"}
    shares: dict[str, Any] = {"keep": keep, "input_keep": INPUT_KEEP, "seed": 4}
    y = sampled_conv(x, weight, **shares, **hyper)
    torch.testing.assert_close(y, tnconv.conv(x, weight, **hyper))
    (cotangent,) = tensors(tuple(y.shape), seed=1)
    found = torch.autograd.grad(y, (x, weight), cotangent)
    of_x = tnconv.conv_input_vjp(
        weight, cotangent, x.shape[-2:], keep=INPUT_KEEP, seed=4, **hyper
    )
    of_weight = tnconv.conv_weight_vjp(x, cotangent, (3, 3), keep=keep, seed=4, **hyper)
    torch.testing.assert_close(found, (of_x, of_weight))


@pytest.mark.parametrize("hyper", TRANSPOSED_HYPERS, ids=str)
def test_gradients_of_transposed_layers(hyper: dict[str, Any]) -> None:
    x, weight = tensors((4, 4, 6, 5), (4, 6 // hyper.get("groups", 1), 3, 3))
    x.requires_grad_()
    weight.requires_grad_()
    keep, input_keep = {"n": 0.5, "o0": 0.5}, {"c": 0.5, "i0": 0.5}
    shares: dict[str, Any] = {"keep": keep, "input_keep": input_keep, "seed": 4}
    y = sampled_conv_transpose(x, weight, **shares, **hyper)
    torch.testing.assert_close(y, F.conv_transpose2d(x, weight, **hyper))
    (cotangent,) = tensors(tuple(y.shape), seed=1)
    found = torch.autograd.grad(y, (x, weight), cotangent)
    of_x = tnconv.conv_transpose_input_vjp(
        weight, cotangent, x.shape[-2:], keep=input_keep, seed=4, **hyper
    )
    of_weight = tnconv.conv_transpose_weight_vjp(
        x, cotangent, (3, 3), keep=keep, seed=4, **hyper
    )
    torch.testing.assert_close(found, (of_x, of_weight))


@pytest.mark.parametrize("axes", (1, 2, 3))
def test_whole_shares_are_pytorchs_transposed_layer(axes: int) -> None:
    sampled = (SampledConvTranspose1d, SampledConvTranspose2d, SampledConvTranspose3d)
    plain = (
        torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d
    )  # fmt: skip
    how: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
    layer = sampled[axes - 1](4, 6, 3, **how, keep={"n": 1.0})
    peer = plain[axes - 1](4, 6, 3, **how)
    peer.load_state_dict(layer.state_dict())
    (x,) = (tensor.float() for tensor in tensors((2, 4, *(4,) * axes)))
    for size in (None, [8] * axes):
        for each in (layer, peer):
            each.zero_grad()
            each(x, size).square().sum().backward()
        torch.testing.assert_close(layer(x, size), peer(x, size))
        torch.testing.assert_close(layer.eval()(x, size), peer(x, size))
        layer.train()
        for mine, theirs in zip(layer.parameters(), peer.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_transposed_layer_keeps_a_share_of_its_input() -> None:
    x, weight = tensors((8, 4, 6, 6), (4, 3, 2, 2))
    weight.requires_grad_()
    run = sampled_conv_transpose
    kept, _ = kept_bytes(lambda: run(x, weight, keep={"n": 0.5}, seed=1), weight)
    assert kept == x.nbytes // 2


@pytest.mark.parametrize("run", (sampled_conv, sampled_conv_transpose))
@pytest.mark.parametrize("keep", ({"n": 0.5, "o0": 0.5}, {}), ids=str)
def test_sampled_gradients_are_differentiated_again(
    run: Callable[..., Tensor], keep: dict[str, float]
) -> None:
    """What was drawn once stays drawn: against finite differences."""
    x, weight = tensors((2, 2, 4, 3), (2, 2, 2, 2))
    shares = {"keep": keep, "input_keep": {"c": 0.5}, "seed": 3}

    def layer(x: Tensor, weight: Tensor) -> Tensor:
        return run(x, weight, **shares, stride=2, padding=1)

    x.requires_grad_()
    weight.requires_grad_()
    assert torch.autograd.gradgradcheck(layer, (x, weight))


@pytest.mark.parametrize("mode", ("zeros", "reflect", "replicate", "circular"))
def test_whole_shares_are_pytorchs_layer(mode: Any) -> None:
    layer = SampledConv2d(3, 4, 3, padding=1, padding_mode=mode, keep={"n": 1.0})
    peer = torch.nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode)
    peer.load_state_dict(layer.state_dict())
    (x,) = (tensor.float() for tensor in tensors((2, 3, 6, 5)))
    for each in (layer, peer):
        each(x).square().sum().backward()
    torch.testing.assert_close(layer(x), peer(x))
    torch.testing.assert_close(layer.weight.grad, peer.weight.grad)
    assert layer.bias is not None and peer.bias is not None
    torch.testing.assert_close(layer.bias.grad, peer.bias.grad)


@pytest.mark.parametrize(
    ("keep", "share"),
    [
        ({}, 1),
        ({"n": 0.5}, 1 / 2),
        ({"c": 0.25}, 1 / 4),
        ({"i0": 0.5}, 1 / 2),
        ({"i0": 0.5, "i1": 0.25}, 1 / 8),
        ({"n": 0.5, "c": 0.5}, 1 / 4),
        ({"o0": 0.5}, 1),
    ],
    ids=str,
)
def test_no_more_is_kept_than_the_sampled_backward_reads(
    keep: dict[str, float], share: float
) -> None:
    layer = SampledConv2d(8, 6, 3, padding=1, keep=keep)
    x = torch.randn(4, 8, 8, 8)
    kept, y = kept_bytes(lambda: layer(x), *layer.parameters())
    assert kept == share * x.nbytes
    y.sum().backward()  # type: ignore[no-untyped-call]


def test_nothing_is_kept_for_gradients_that_are_not_wanted() -> None:
    layer = SampledConv2d(4, 6, 3, keep={"n": 0.5}, bias=False)
    x = torch.randn(4, 4, 8, 8)
    with torch.no_grad():
        assert kept_bytes(lambda: layer(x))[0] == 0
    layer.weight.requires_grad_(False)
    assert kept_bytes(lambda: layer(x))[0] == 0
    kept, y = kept_bytes(lambda: layer(x.requires_grad_()))
    assert kept == layer.weight.nbytes
    (found,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(
        found, F.conv_transpose2d(torch.ones_like(y), layer.weight)
    )


def test_a_layer_that_is_used_twice_draws_twice() -> None:
    layer = SampledConv1d(2, 3, 3, keep={"n": 0.25}).double()
    (x,) = tensors((8, 2, 9))
    torch.manual_seed(0)
    seeds = [int(torch.randint(2**62, ())) for _ in range(2)]
    torch.manual_seed(0)
    (layer(x) + 2 * layer(x)).sum().backward()
    ones = torch.ones(8, 3, 7, dtype=torch.float64)
    first, second = (
        tnconv.conv_weight_vjp(x, ones, 3, keep={"n": 0.25}, seed=seed)
        for seed in seeds
    )
    assert not torch.allclose(first, second)
    torch.testing.assert_close(layer.weight.grad, first + 2 * second)


def test_generators_govern_what_is_drawn() -> None:
    own = torch.Generator().manual_seed(3)
    layer = SampledConv1d(2, 3, 3, keep={"n": 0.25}, generator=own)
    x = torch.randn(8, 2, 9)

    def gradient() -> Tensor:
        return torch.autograd.grad(layer(x).sum(), layer.weight)[0]

    def several() -> Tensor:
        return torch.stack([gradient() for _ in range(12)])

    state = torch.get_rng_state()
    first = several()
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(several(), first)
    own.manual_seed(3)
    assert torch.equal(several(), first)
    layer.generator = None
    torch.manual_seed(5)
    second = several()
    torch.manual_seed(5)
    assert torch.equal(several(), second)


def test_eval_mode_and_no_grad_are_exact_and_draw_nothing() -> None:
    layer = SampledConv2d(3, 4, 3, padding=1, keep={"n": 0.5}, input_keep={"d": 0.5})
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    state = torch.get_rng_state()
    with torch.no_grad():
        layer(x)
    layer.eval()
    y = layer(x)
    found = torch.autograd.grad(y.square().sum(), (x, layer.weight))
    assert torch.equal(state, torch.get_rng_state())
    peer = F.conv2d(x, layer.weight, layer.bias, padding=1)
    wanted = torch.autograd.grad(peer.square().sum(), (x, layer.weight))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_mean_gradient_is_the_exact_one_within_four_sigma() -> None:
    layer = SampledConv3d(2, 2, 2, keep={"n": 0.5, "i1": 0.4}).double()
    (x,) = tensors((4, 2, 3, 4, 3))
    torch.manual_seed(0)

    def gradient() -> Tensor:
        return torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]

    direction = torch.randn(layer.weight.shape, dtype=torch.float64)
    found = torch.stack([(gradient() * direction).sum() for _ in range(600)])
    layer.eval()
    exact = (gradient() * direction).sum()
    assert abs(found.mean() - exact) < 4 * found.std() / len(found) ** 0.5


def test_layers_copy_save_and_say_what_they_keep() -> None:
    layer = SampledConv2d(3, 4, 3, keep={"n": 0.5}, input_keep={"d": 0.25})
    twin = copy.deepcopy(layer)
    assert list(twin.state_dict()) == ["weight", "bias"]
    assert "keep={'n': 0.5}, input_keep={'d': 0.25}" in repr(twin)


def test_autocast_computes_in_its_dtype() -> None:
    layer = SampledConv2d(3, 4, 3, keep={"n": 0.5})
    x = torch.randn(4, 3, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        kept, y = kept_bytes(lambda: layer(x), *layer.parameters())
    assert y.dtype == torch.bfloat16 and kept == x.nbytes // 4
    y.float().sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_second_derivatives_and_wrong_shares_are_refused() -> None:
    x, weight = torch.randn(2, 1, 4), torch.randn(1, 1, 2, requires_grad=True)
    with pytest.raises(ArgumentError, match="sampled_conv: keep has 'k0'"):
        sampled_conv(x, weight, keep={"k0": 0.5}, seed=0)
    with pytest.raises(ArgumentError, match=r"\(input_keep\): keep has 'i0'"):
        sampled_conv(x, weight, keep={}, input_keep={"i0": 0.5}, seed=0)
