"""Layers by the clock, dense and factorized."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tnconv_backends.torch.compress.layers import kernel_shape
from tnconv_backends.torch.compress.survey import Survey, evaluating

if TYPE_CHECKING:
    from tnconv_backends.torch.compress.choose import Plan

Tensor = torch.Tensor
#: rounds, in which both take turns; the median is taken
ROUNDS = 21


def measured(
    layers: Mapping[str, nn.Module], plans: Mapping[str, Plan], survey: Survey
) -> dict[str, tuple[float, float]]:
    """Seconds of each factorized layer's calls on a batch, dense and factorized."""
    found = {}
    for name, plan in plans.items():
        if plan.module is None or name not in survey.seen:
            continue
        seen = survey.seen[name]
        x = _input(layers[name], seen.workload.batch, seen.workload.input_size)
        dense, ours = _median(layers[name], plan.module, x)
        found[name] = (dense * seen.calls, ours * seen.calls)
    return found


def _input(layer: nn.Module, batch: int, size: Any) -> Tensor:
    shape, weight = kernel_shape(layer), layer.weight
    channels = shape.sizes["c"] * shape.groups
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((batch, channels, *size), generator=generator)
    return x.to(weight)  # type: ignore[arg-type]


def _median(first: nn.Module, second: nn.Module, x: Tensor) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    with torch.no_grad(), evaluating(first), evaluating(second):
        for turn in range(ROUNDS + 2):
            for module, kept in zip((first, second), times, strict=True):
                start = time.perf_counter()
                _wait(module(x))
                if turn > 1:
                    kept.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _wait(y: Tensor) -> None:
    if y.device.type != "cpu":
        torch.accelerator.synchronize(y.device)
