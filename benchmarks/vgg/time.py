"""What the networks take: a batch forward, and a whole step of training."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from typing import Any

import torch
from torch import nn

from benchmarks.environment import header
from benchmarks.measure import alternate
from benchmarks.rows import write
from benchmarks.vgg.network import BATCH, WIDTHS, Split, fold, loss, thinner, trained
from benchmarks.vgg.ways import RATIOS, Small, budgeted
from tnconv_backends.torch.compress import lowered

WAYS = ("tucker2", "cp", "data")


def main(options: argparse.Namespace) -> int:
    """Time every kind of network beside the dense one; results are compared first."""
    torch.set_num_threads(options.threads)
    data = fold(0)
    torch.manual_seed(0)
    dense = Small.dense(WIDTHS).model
    trained(dense, data, options.epochs, 0)
    rows = []
    for ratio in RATIOS:
        for way in WAYS:
            small = budgeted(dense, data, way, ratio).model
            models = {"dense": dense, "thin": Small.dense(thinner(1 / ratio)).model}
            models |= {"tnconv": small, "chain": lowered(small)}
            for what, run in RUNS.items():
                times = timed(models, data, run, options.seconds)
                rows.append({"ratio": ratio, "way": way, "what": what, "ms": times})
                print(rows[-1], flush=True)
    settings = {"threads": options.threads, "batch": BATCH, "epochs": options.epochs}
    head = header(**settings, date=date.today().isoformat())
    write(options.results, "time", head, rows)
    return 0


def forward(model: nn.Module, data: Split) -> Any:
    """Scores of a batch, without gradients."""
    with torch.no_grad():
        return model(data.x[:BATCH])


def step(model: nn.Module, data: Split) -> Any:
    """The gradients of all parameters on a batch."""
    value = loss(model, (data.x[:BATCH], data.labels[:BATCH]))
    return torch.autograd.grad(value, list(model.parameters()))


RUNS: dict[str, Callable[[nn.Module, Split], Any]] = {"forward": forward, "step": step}


def timed(
    models: dict[str, nn.Module],
    data: Split,
    run: Callable[[nn.Module, Split], Any],
    seconds: float,
) -> dict[str, float]:
    """Median milliseconds of each model, in turn; ours and the chain agree."""
    found, wanted = (forward(models[name], data) for name in ("tnconv", "chain"))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    calls = {
        name: lambda model=model: run(model, data) for name, model in models.items()
    }
    for call in calls.values():
        call()
    times = alternate(calls, seconds * len(calls), 0)
    return {name: round(1e3 * time.seconds, 3) for name, time in times.items()}
