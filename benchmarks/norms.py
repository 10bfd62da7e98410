"""Squared norms of per-example gradients: without the gradients, and by forming them.

    python -m benchmarks norms

Ours is one network, whose order the planner chooses; the others form the gradients,
ours and those of ``torch.func``, and sum their squares. Medians of rounds in which all
take turns, over a few usual layers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import exp, log
from statistics import mean, median
from time import perf_counter
from typing import Any

HELP = "squared norms of per-example gradients against forming the gradients"
LAYERS: tuple[tuple[int, int, int, int, dict[str, Any]], ...] = (
    # channels in and out, map, kernel
    (3, 64, 64, 7, {"stride": 2, "padding": 3}),
    (64, 64, 56, 3, {"padding": 1}),
    (128, 128, 28, 3, {"padding": 1}),
    (256, 256, 14, 3, {"padding": 1}),
    (512, 512, 7, 3, {"padding": 1}),
    (1024, 256, 14, 1, {}),
    (128, 128, 28, 3, {"padding": 1, "groups": 128}),
    (256, 256, 14, 3, {"padding": 1, "groups": 32}),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)


def contestants(
    batch: int, layer: tuple[int, int, int, int, dict[str, Any]]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The ways to the norms of one layer, on the same arrays."""
    import torch

    import tnconv

    into, out, size, kernel, hyper = layer
    x = torch.randn(batch, into, size, size)
    weight = torch.randn(out, into // hyper.get("groups", 1), kernel, kernel)
    cotangent = torch.randn_like(torch.nn.functional.conv2d(x, weight, **hyper))

    def pulled(weight: Any, one: Any, back: Any) -> Any:
        made = torch.nn.functional.conv2d(one[None], weight, **hyper)
        return (made[0] * back).sum()

    each = torch.func.vmap(torch.func.grad(pulled), (None, 0, 0))

    def formed() -> Any:
        found = tnconv.conv_weight_vjp(x, cotangent, kernel, per_example=True, **hyper)
        return found.square().flatten(1).sum(1)

    def ours() -> Any:
        return tnconv.conv_weight_vjp_squared_norm(x, cotangent, kernel, **hyper)

    yield "ours", ours
    yield "our gradients", formed
    yield "torch.func", lambda: each(weight, x, cotangent).square().flatten(1).sum(1)


def seconds(run: Callable[[], Any]) -> float:
    """One call."""
    start = perf_counter()
    run()
    return perf_counter() - start


def main(options: argparse.Namespace) -> int:
    """Print a line for each layer, and the geometric means."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"batch {options.batch}, {options.threads} threads, float32; ms")
    ratios: dict[str, list[float]] = {}
    for layer in LAYERS:
        ways = dict(contestants(options.batch, layer))
        results = {name: run() for name, run in ways.items()}
        for result in results.values():
            torch.testing.assert_close(result, results["ours"], rtol=1e-3, atol=1e-3)
        turns = [
            {name: seconds(run) for name, run in ways.items()}
            for _ in range(options.rounds)
        ]
        middle = {name: median(turn[name] for turn in turns) for name in ways}
        print(layer, *(f"{name} {1e3 * t:.2f}" for name, t in middle.items()), sep="  ")
        for name, time in middle.items():
            ratios.setdefault(name, []).append(log(time / middle["ours"]))
    for name, logs in ratios.items():
        print(f"{name}: {exp(mean(logs)):.2f} times ours (geometric mean)")
    return 0
