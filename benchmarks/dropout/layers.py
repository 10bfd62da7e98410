"""Weight gradients of real layers from half of a label, against the exact ones."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch

import tnconv
from benchmarks.dropout.train import today
from benchmarks.environment import header
from benchmarks.layers import Layer, select
from benchmarks.measure import alternate, clocked
from benchmarks.rows import read, write
from tnconv import networks
from tnconv.dropout import drawn
from tnconv.network import Network

Tensor = torch.Tensor
#: labels of which half is kept, where they have at least two values
LABELS = ("n", "c", "d", "g", "i0", "o0")
#: seconds for the calls of a layer together, at least three rounds
SECONDS = 0.6


class Gradient:
    """The weight gradient of a layer on random tensors."""

    def __init__(self, layer: Layer, batch: int) -> None:
        kind = "conv_transpose" if layer.transposed else "conv"
        torch.manual_seed(0)
        wide, narrow = (
            torch.randn(batch, channels, *size)
            for channels, size in (layer.wide, layer.narrow)
        )
        self.tensors = (narrow, wide) if layer.transposed else (wide, narrow)
        self.arguments: dict[str, Any] = {
            "kernel_size": layer.kernel_size,
            **layer.hyper(),
        }
        self.function: Callable[..., Tensor] = getattr(tnconv, f"{kind}_weight_vjp")
        build: Callable[..., Network] = getattr(networks, f"{kind}_weight_vjp")
        self.network = build(*(t.shape for t in self.tensors), **self.arguments)

    def __call__(self, **drop: Any) -> Tensor:
        """The gradient, exact or of what ``drop`` keeps."""
        return self.function(*self.tensors, **self.arguments, **drop)

    def halves(self, label: str) -> Callable[[], Tensor]:
        """A call that takes the first and the second half of a label in turn."""
        keep, seeds = {label: 0.5}, {}
        for seed in count():
            (share,) = drawn(self.network, keep, seed)
            seeds.setdefault(share.start, seed)
            if len(seeds) == 2:
                break
        drops = [{"keep": keep, "seed": seed} for seed in seeds.values()]
        mean, exact = sum(self(**drop) for drop in drops) / 2, self()
        error = float((mean - exact).abs().max() / exact.abs().max())
        if error > 1e-3:
            raise SystemExit(f"both halves of {label} are off by {error:.1e}")
        turns = count()
        return lambda: self(**drops[next(turns) % 2])


def main(options: argparse.Namespace) -> int:
    """Measure layers until the time is up; another call goes on."""
    torch.set_num_threads(options.threads)
    end = time.perf_counter() + options.seconds
    rows = read(options.results, "layers").get("rows", [])
    settings = {
        "batch": options.batch,
        "threads": options.threads,
        "least": options.least,
    }
    for row in measured(options, {row["layer"] for row in rows}):
        rows.append(row)
        print(row, flush=True)
        write(options.results, "layers", header(**settings, date=today()), rows)
        if time.perf_counter() > end:
            print("time is up: the same command goes on")
            return 0
    print("every layer is measured")
    return 0


def measured(options: argparse.Namespace, done: set[str]) -> Iterator[dict[str, Any]]:
    """A row for each layer: milliseconds of the exact gradient and of each half.

    A layer whose exact gradient is faster than asked for has no halves.
    """
    for layer in select(options.only):
        if layer.name in done:
            continue
        gradient = Gradient(layer, options.batch)
        gradient()
        exact = min(clocked(gradient) for _ in range(3))
        if 1e3 * exact < options.least:
            yield {"layer": layer.name, "exact": round(1e3 * exact, 3)}
            continue
        sizes = gradient.network.sizes
        calls: dict[str, Callable[[], Tensor]] = {"exact": gradient}
        calls |= {a: gradient.halves(a) for a in LABELS if sizes[a] > 1}
        timed = alternate(calls, SECONDS, seed=0)
        ms = {name: round(1e3 * found.seconds, 3) for name, found in timed.items()}
        yield {"layer": layer.name, **ms}
