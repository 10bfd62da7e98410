"""The layers of a PyTorch model as records, from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv_backends.torch.entry import made
from tnconv_backends.torch.layers import CONVOLUTIONS, TRANSPOSED, Call

Tensor = torch.Tensor


def layer_records(model: nn.Module | str, shape: Sequence[int]) -> list[dict[str, Any]]:
    """A record for each call of a convolution, transposed ones too, as ``tnconv tune``
    reads them.

    Args:
        model: a module, or ``package.module:function`` that makes one; it is run in
            eval mode, without gradients, on the device of its parameters.
        shape: of its input, the batch first.

    Raises:
        ArgumentError: the function is not there, the model does not run on an input of
            that shape, or it calls no convolution.

    >>> records = layer_records(nn.Conv2d(3, 8, 3, stride=2), (4, 3, 9, 9))
    >>> records[0]["batch"], records[0]["stride"]
    (4, [2, 2])
    """
    module = made(model, "tune") if isinstance(model, str) else model
    found: list[dict[str, Any]] = []
    training = module.training
    module.eval()
    try:
        with ExitStack() as hooks, torch.no_grad():
            for name, layer in _layers(module):
                hooks.enter_context(_hook(name, layer, found))
            _run(module, shape)
    finally:
        module.train(training)
    if not found:
        raise ArgumentError("tune: the model calls no convolution")
    return found


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in module.named_modules():
        if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
            yield name or "layer", layer


def _hook(name: str, layer: nn.Module, found: list[dict[str, Any]]) -> Any:
    def seen(module: Any, given: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(_record(Call(name, module, given[0], tuple(output.shape))))

    return layer.register_forward_hook(seen)


def _record(call: Call) -> dict[str, Any]:
    layer = call.module
    axes = len(layer.kernel_size)
    hyper = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in call.hyper().items()
    }
    return {
        "name": call.name,
        "batch": call.examples,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "input_size": list(call.x.shape[-axes:]),
        "transposed": isinstance(layer, TRANSPOSED),
        **hyper,
    }


def _run(module: nn.Module, shape: Sequence[int]) -> None:
    like = next((p for p in module.parameters() if p.is_floating_point()), None)
    where: dict[str, Any] = {}
    if like is not None:
        where = {"dtype": like.dtype, "device": like.device}
    try:
        module(torch.zeros(tuple(shape), **where))
    except Exception as error:
        raise ArgumentError(
            f"tune: the model does not run on an input of shape {tuple(shape)}: {error}"
        ) from error
