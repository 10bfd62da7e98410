"""Factors of whole models against unfolded inputs, for every kind of layer."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
import torch
from torch import nn

import tnconv
from tnconv.errors import ArgumentError, MissingDependencyError
from tnconv_backends.torch import kfac

unfold_nd = pytest.importorskip("unfoldNd")
Tensor = torch.Tensor


def network(axes: int) -> nn.Sequential:
    """Every kind of layer of that many axes: groups, padding modes, in-place steps."""
    conv: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    transposed: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    back = transposed[axes - 1]
    torch.manual_seed(axes)
    return nn.Sequential(
        conv(2, 4, 3, padding=1, padding_mode="circular"),
        nn.ReLU(inplace=True),
        conv(4, 4, 2, padding="same", groups=2, bias=False),
        nn.Tanh(),
        back(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.Sigmoid(),
        conv(2, 2, 3, stride=2, dilation=2, padding=1, padding_mode="reflect"),
        nn.Flatten(2),
        nn.Linear(((2 * 4 - 3) // 2 + 1) ** axes, 3),
        nn.Flatten(),
        nn.Linear(6, 2),
    ).double()


def patches(layer: Any, x: Tensor) -> Tensor:
    """The unfolded input by hand: (batch, groups, features, positions)."""
    if isinstance(layer, nn.Linear):
        rows = x.reshape(len(x), 1, -1, layer.in_features)
        return rows.mT
    hyper = {"stride": layer.stride, "dilation": layer.dilation}
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        hyper |= {"padding": layer.padding, "output_padding": layer.output_padding}
        found = unfold_nd.unfold_transposeNd(x, layer.kernel_size, **hyper)
    else:
        mode = {"zeros": "constant"}.get(layer.padding_mode, layer.padding_mode)
        ends = layer._reversed_padding_repeated_twice
        padded = nn.functional.pad(x, ends, mode=mode)
        found = unfold_nd.unfoldNd(padded, layer.kernel_size, **hyper)
    split: Tensor = found.unflatten(1, (layer.groups, -1))
    return split


def by_hand(
    model: nn.Sequential, x: Tensor, approximation: str, bias: bool
) -> dict[str, tuple[Tensor, Tensor]]:
    """Both factors of every layer of a sequence, with inputs as means."""
    found, kept = {}, []
    for name, module in model.named_children():
        given, x = x, module(x.clone())
        if isinstance(module, nn.ReLU) or not list(module.parameters()):
            continue
        x.retain_grad()
        kept.append((name, module, given.detach(), x))
    torch.autograd.backward(x.square().sum())
    for name, module, given, y in kept:
        a = patches(module, given)
        if bias and module.bias is not None:
            a = torch.cat([a, torch.ones_like(a[:, :, :1])], 2)
        assert y.grad is not None
        groups = getattr(module, "groups", 1)
        linear = isinstance(module, nn.Linear)
        g = y.grad.reshape(len(y), 1, -1, y.shape[-1]).mT if linear else y.grad
        g = g.reshape(len(y), groups, -1, a.shape[-1])
        if approximation == "reduce":
            a, g = a.mean(-1, keepdim=True), g.sum(-1, keepdim=True)
        outer = "ngao,ngbo->gab"
        mean = len(a) * a.shape[-1]
        found[name] = torch.einsum(outer, a, a) / mean, torch.einsum(outer, g, g)
    return found


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("approximation", ["expand", "reduce"])
@pytest.mark.parametrize("bias", [True, False])
def test_every_kind_of_layer(axes: int, approximation: Any, bias: bool) -> None:
    model, x = network(axes), torch.randn(3, 2, *(4,) * axes).double()
    with kfac(model, approximation=approximation, bias=bias) as collector:
        for part in (x[:2], x[2:]):  # two batches are as one
            model(part).square().sum().backward()
    expected = by_hand(model, x, approximation, bias)
    found = collector.factors()
    assert list(found) == list(expected) == ["0", "2", "4", "6", "8", "10"]
    for name, (a, b) in expected.items():
        assert found[name].examples == 3
        torch.testing.assert_close(found[name].input, a, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found[name].output, b, rtol=1e-10, atol=1e-12)


NORMALIZATIONS = ("none", "batch", "positions", "both")


@pytest.mark.parametrize("grouping", ["block", "average"])
@pytest.mark.parametrize("approximation", ["expand", "reduce"])
@pytest.mark.parametrize("over", NORMALIZATIONS)
def test_conventions_are_those_of_the_functions(
    over: Any, approximation: Any, grouping: Any
) -> None:
    layer = nn.Conv1d(4, 6, 3, groups=2).double()
    x = torch.randn(3, 4, 8).double()
    grads: list[Tensor] = []
    for other in NORMALIZATIONS:
        how: dict[str, Any] = {"approximation": approximation, "grouping": grouping}
        more: dict[str, Any] = {"normalization": over, "loss_average": other}
        with kfac(layer, output_normalization=over, **how, **more) as collector:
            y = layer(x)
            y.register_hook(grads.append)
            y.square().mean().backward()
        found = collector.factors()[""]
        a = tnconv.kfac_input_factor(
            x, (3,), groups=2, bias=True, normalization=over, **how
        )
        groups = 2 if grouping == "block" else 1
        b = tnconv.kfac_output_factor(
            grads[-1], groups=groups, approximation=approximation, **more
        )
        torch.testing.assert_close(found.input, a)
        torch.testing.assert_close(found.output, b)


def test_a_mean_loss_over_unequal_batches_is_undone() -> None:
    layer, x = nn.Linear(3, 2).double(), torch.randn(5, 3).double()
    with kfac(layer, loss_average="batch", output_normalization="none") as collector:
        for part in (x[:4], x[4:]):
            layer(part).square().sum(1).mean().backward()
    with kfac(layer) as whole:
        layer(x).square().sum().backward()
    torch.testing.assert_close(
        collector.factors()[""].output, whole.factors()[""].output / 5
    )


def test_a_module_called_twice_adds_up() -> None:
    layer, x = nn.Conv1d(2, 2, 3, padding=1).double(), torch.randn(3, 2, 5).double()
    with kfac(layer, normalization="none") as collector:
        y = layer(x)
        layer(y.tanh()).sum().backward()
    found = collector.factors()[""]
    total = sum(
        tnconv.kfac_input_factor(
            given.detach(), (3,), padding=1, normalization="none", bias=True
        )
        for given in (x, y.tanh())
    )
    assert found.examples == 6
    torch.testing.assert_close(found.input, total)


def test_columns_by_several_backward_passes_count_the_input_once() -> None:
    layer, x = nn.Conv1d(2, 3, 2).double(), torch.randn(4, 2, 5).double()
    columns = torch.randn(3, 4, 3, 4).double()
    with kfac(layer, normalization="batch") as collector:
        y = layer(x)
        for column in columns:
            y.backward(column, retain_graph=True)
    found = collector.factors()[""]
    torch.testing.assert_close(
        found.input, tnconv.kfac_input_factor(x, 2, normalization="batch", bias=True)
    )
    torch.testing.assert_close(
        found.output, tnconv.kfac_output_factor(columns, columns=True)
    )


def test_unbatched_inputs_and_an_output_size() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, bias=False).double()
    x = torch.randn(2, 4, 5).double()
    with kfac(layer) as collector:
        y = layer(x, output_size=(10, 11))
        y.sum().backward()
    want = tnconv.kfac_transpose_input_factor(
        x, (3, 3), stride=2, output_padding=(1, 0)
    )
    torch.testing.assert_close(collector.factors()[""].input, want)
    ones = torch.full((3, 3), 110.0).double()
    torch.testing.assert_close(collector.factors()[""].output[0], ones)
    linear = nn.Linear(4, 2).double()
    with kfac(linear) as collector:
        linear(torch.ones(4).double()).sum().backward()
    found = collector.factors()[""]
    assert bool((found.input == 1).all()) and bool((found.output == 1).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    x = torch.randn(5, 2, 4, 4)
    with kfac(model) as collector:
        with torch.autocast("cpu", dtype):
            loss = model(x).float().square().sum()
            loss.backward()
    with kfac(model) as exact:
        model(x).square().sum().backward()
    for name, want in exact.factors().items():
        found = collector.factors()[name]
        for one, other in ((found.input, want.input), (found.output, want.output)):
            assert one.dtype == torch.float32
            limit = 0.05 * float(other.abs().max())
            torch.testing.assert_close(one, other, rtol=0, atol=limit)


def test_nothing_is_left_behind() -> None:
    layer = nn.Conv1d(2, 2, 3)
    with kfac(layer) as collector:
        layer(torch.ones(1, 2, 5)).sum().backward()
        y = layer(torch.ones(1, 2, 5))
        with torch.no_grad():
            layer(torch.ones(1, 2, 5))  # is not differentiated: does not count
    assert not layer._forward_hooks
    y.sum().backward()  # a graph of the block, after it
    assert collector.factors()[""].examples == 1
    reference = weakref.ref(collector)
    del collector, y
    gc.collect()
    assert reference() is None
    with pytest.raises(RuntimeError, match="stop"), kfac(layer):
        raise RuntimeError("stop")
    assert not layer._forward_hooks


def test_errors_say_what_to_do() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3))
    with kfac(model) as collector:
        model[0](torch.ones(1, 2, 5)).sum().backward()
    with pytest.raises(ArgumentError, match=r"came through 1; .*layers="):
        collector.factors()
    with pytest.raises(ArgumentError, match="no convolution"), kfac(nn.ReLU()):
        pass
    with pytest.raises(ArgumentError, match="it has 0, 1"), kfac(model, layers=["7"]):
        pass
    wrong: Any = "mean"
    with pytest.raises(ArgumentError, match="both"), kfac(model, normalization=wrong):
        pass
    frozen = nn.Conv1d(2, 2, 3).requires_grad_(False)
    x = torch.ones(1, 2, 5, requires_grad=True)
    with kfac(frozen), pytest.raises(ArgumentError, match="changed in place"):
        given = x * 1
        y = frozen(given)
        given.add_(1)
        y.sum().backward()


def test_layers_can_be_chosen() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3))
    with kfac(model, layers=["1"]) as collector:
        model(torch.ones(1, 2, 6)).sum().backward()
    assert list(collector.factors()) == ["1"]


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    model = nn.Sequential(nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3))
    with kfac(model, passes=2):
        for _ in range(2):
            model(torch.ones(1, 2, 6)).sum().backward()
    assert "4/4" in capsys.readouterr().err


def test_progress_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(MissingDependencyError, match="progress"):
        with kfac(nn.Linear(2, 2), passes=2):
            pass
