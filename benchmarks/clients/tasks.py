"""What is measured: calls of tnconv's adapters, and of what they replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from math import sqrt
from typing import Any

import torch
from torch import nn

import tnconv
from benchmarks.layers import Layer, records, select
from benchmarks.measure import Call
from tnconv_backends.torch.clients import curvlinops, opacus

Tensor = Any
#: a case: its name, a call for each contestant, and why others have none
Case = tuple[str, dict[str, Call], dict[str, str]]
BATCH, MODEL, MODEL_BATCH = 8, "resnet18_256/", 16
#: bytes that a contestant may need for one result
MOST = 3 << 30


def cases(section: str, layers: int) -> Iterator[Case]:
    """The cases of a section."""
    torch.manual_seed(0)
    if section == "examples":
        yield from (_examples(layer) for layer in _chosen(layers, grouped=True))
    elif section == "norms":
        yield from (_norms(layer) for layer in _chosen(layers, grouped=False))
    elif section == "published":
        yield _published()
    else:
        yield _whole_model(section)


def _chosen(count: int, grouped: bool) -> list[Layer]:
    """Layers spread by size, from small ones to large ones; 3-d ones are left out."""
    found = [
        layer
        for layer in select()
        if (layer.groups > 1) is grouped and not layer.transposed and layer.symmetric
    ]
    found = sorted((a for a in found if a.dims < 3), key=lambda layer: layer.macs)
    step = max(1, len(found) // count)
    return found[step // 2 :: step][:count]


def _module(layer: Layer, bias: bool = False) -> Any:
    kind = (nn.Conv1d, nn.Conv2d)[layer.dims - 1]
    return kind(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.low,
        layer.dilation,
        layer.groups,
        bias=bias,
    )


def _arrays(layer: Layer, batch: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(batch, layer.in_channels, *layer.input_size)
    return x, torch.rand(batch, layer.out_channels, *layer.output_size)


def _optional(name: str, cannot: dict[str, str]) -> Any:
    """A module of a client, None (and the reason) where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        cannot[name.partition(".")[0]] = f"not installed ({error})"
        return None


def _theirs(layer: Layer, cannot: dict[str, str]) -> Callable[..., Any] | None:
    """opacus's sampler, if it is there and its product of all groups fits."""
    library = _optional("opacus.grad_sample.conv", cannot)
    whole = 4 * BATCH * layer.out_channels * layer.in_channels * layer.taps
    if whole > MOST:
        cannot["opacus"] = f"more than {MOST >> 30} GiB for its product of all groups"
        return None
    return library and library.compute_conv_grad_sample  # type: ignore[no-any-return]


def _examples(layer: Layer) -> Case:
    """Gradients of a grouped layer's weight, one for each example."""
    module, (x, g) = _module(layer), _arrays(layer, BATCH)
    cannot: dict[str, str] = {}
    theirs = _theirs(layer, cannot)
    calls = {"tnconv": lambda: opacus.grad_sample(module, [x], g)[module.weight]}
    if theirs:
        calls["opacus"] = lambda: theirs(module, [x], g)[module.weight]
    return layer.name, calls, cannot


def _norms(layer: Layer) -> Case:
    """Norms of those gradients, which both others form first."""
    module, (x, g) = _module(layer), _arrays(layer, BATCH)
    cannot: dict[str, str] = {}
    theirs = _theirs(layer, cannot)

    def formed(sample: Callable[..., Any]) -> Tensor:
        return sample(module, [x], g)[module.weight].flatten(1).norm(dim=1)

    calls: dict[str, Call] = {
        "tnconv": lambda: opacus.norm_sample(module, [x], g)[module.weight],
        "tnconv, formed": lambda: formed(opacus.grad_sample),
    }
    if theirs:
        calls["opacus, formed"] = lambda: formed(theirs)
    return layer.name, calls, cannot


def _whole_model(approximation: str) -> Case:
    """Both Kronecker factors of every convolution of a network."""
    parts = []
    for record in records():
        if record["id"].startswith(MODEL):
            layer = Layer.of(record)
            part = (_module(layer), *_arrays(layer, MODEL_BATCH))
            parts += [part] * int(record["count"])
    cannot: dict[str, str] = {}
    ways: dict[str, Any] = {"tnconv": _our_factors}
    if (library := _optional("curvlinops.kfac_utils", cannot)) is not None:
        ways["curvlinops"] = _curvlinops_factors(library)
    if (library := _optional("singd.optim.utils", cannot)) is not None:
        ways["singd"] = _singd_factors(library)

    def run(factors: Callable[..., tuple[Tensor, Tensor]]) -> Call:
        def whole() -> Tensor:
            seen = []
            for module, x, g in parts:
                seen += [part.sum() for part in factors(approximation, module, x, g)]
            return torch.stack(seen)

        return whole

    name = f"{MODEL}* at batch {MODEL_BATCH}, {len(parts)} layers"
    return name, {own: run(factors) for own, factors in ways.items()}, cannot


def _our_factors(kind: str, module: Any, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    a = curvlinops.input_covariance(module, x, kind, bias=False, data=x.shape[0])
    return a, tnconv.kfac_output_factor(g, approximation=kind)[0]


def _curvlinops_factors(library: Any) -> Callable[..., tuple[Tensor, Tensor]]:
    """What its hooks compute, in their words (curvlinops.kfac)."""

    def factors(kind: str, m: Any, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        hyper = (m.kernel_size, m.stride, m.padding, m.dilation, m.groups)
        if kind == "expand":
            a = library.extract_patches(x, *hyper)
            scale = a.shape[0] * a.shape[1]
            a, b = a.flatten(0, 1), g.movedim(1, -1).reshape(-1, g.shape[1])
        else:
            a = library.extract_averaged_patches(x, *hyper)
            scale, b = a.shape[0], g.flatten(2).sum(2)
        return torch.einsum("bi,bj->ij", a, a) / scale, torch.einsum("bi,bj->ij", b, b)

    return factors


def _singd_factors(library: Any) -> Callable[..., tuple[Tensor, Tensor]]:
    """What its dense structure squares (singd.optim.optimizer)."""

    def factors(kind: str, m: Any, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        a = library.conv2d_process_input(x, m, kind)
        b = library.conv2d_process_grad_output(g.clone(), None, 1.0, kind)
        return a.T @ a, b.T @ b

    return factors


def _published() -> Case:
    """The case that singd was timed on: averaged patches of a large input, squared."""
    hyper: dict[str, Any] = {"stride": 2, "padding": 1}
    x = torch.rand(128, 10, 256, 256)
    cannot: dict[str, str] = {}
    calls: dict[str, Call] = {
        "tnconv": lambda: tnconv.kfac_input_factor(
            x, 5, approximation="reduce", normalization="both", **hyper
        )[0],
        "unfold": lambda: _squared(nn.functional.unfold(x, 5, **hyper).mean(2)),
    }
    library = _optional("einconv.expressions.convNd_kfac_reduce", cannot)
    if library is not None:

        def dense() -> Tensor:
            equation, operands, shape = library.einsum_expression(x, 5, **hyper)
            return torch.einsum(equation, *operands).reshape(shape)[0]

        calls["einconv"] = dense
    return "128 x 10 x 256 x 256, kernel 5, stride 2, padding 1", calls, cannot


def _squared(rows: Tensor) -> Tensor:
    scaled = rows / sqrt(rows.shape[0])
    return scaled.T @ scaled
