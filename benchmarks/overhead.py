"""Microseconds per call of tiny cached layers: tnconv and PyTorch, turn by turn.

    python -m benchmarks overhead

One thread; the median of many short rounds, in which they take turns: our call, the
program of its plan alone (what our call takes beyond that is what looking it up costs),
PyTorch, and PyTorch once more, to show what the clock can resolve.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from tnconv import expression, networks
from tnconv.execution.registry import backend

HELP = "microseconds per cached call of tiny layers, tnconv and PyTorch"
ROUNDS, CALLS = 300, 20
TITLES = ("tnconv", "program", "torch", "again", "looked up")
LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "3x3, padding 1": ((1, 3, 6, 6), (4, 3, 3, 3), {"padding": 1}),
    "3x3, batch of 4": ((4, 8, 8, 8), (8, 8, 3, 3), {"padding": 1}),
    "1x1": ((1, 8, 6, 6), (8, 8, 1, 1), {}),
    "stride 2": ((1, 3, 8, 8), (4, 3, 3, 3), {"stride": 2}),
    "depthwise": ((1, 8, 6, 6), (8, 1, 3, 3), {"groups": 8, "padding": 1}),
}


def once(run: Callable[[], Any]) -> float:
    """Microseconds per call, over a few calls."""
    start = perf_counter()
    for _ in range(CALLS):
        run()
    return (perf_counter() - start) / CALLS * 1e6


def measured(runs: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The median of each, the runs taking turns."""
    for run in runs:
        once(run)
    times = [[once(run) for run in runs] for _ in range(rounds)]
    return [median(own) for own in zip(*times, strict=True)]


def contestants() -> Iterator[tuple[str, list[Callable[[], Any]]]]:
    """Each layer with and without gradients: its name, our call, its program alone, and
    PyTorch's call."""
    import torch

    import tnconv

    for wanted in (False, True):
        for name, (x_shape, weight_shape, hyper) in LAYERS.items():
            x = torch.randn(x_shape)
            weight = torch.randn(weight_shape, requires_grad=wanted)

            def ours(x: Any = x, weight: Any = weight, known: Any = hyper) -> Any:
                return tnconv.conv(x, weight, **known)

            def peer(x: Any = x, weight: Any = weight, known: Any = hyper) -> Any:
                return torch.nn.functional.conv2d(x, weight, **known)

            runs = [ours, program(x, weight.detach(), hyper), peer]
            if not all(torch.allclose(run(), peer(), atol=1e-4) for run in runs):
                raise SystemExit(f"wrong result: {name}")
            yield (f"{name}, grad" if wanted else name), runs


def program(x: Any, weight: Any, hyper: dict[str, Any]) -> Callable[[], Any]:
    """What a cached call runs once it has found it."""
    network = networks.conv(tuple(x.shape), tuple(weight.shape), **hyper)
    own = backend("torch")
    planned = expression(network, backend="torch", dtype="float32").planned
    run = own.compile(planned.program, own.place(x))
    return lambda: run([x, weight])


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--rounds", type=int, default=ROUNDS)


def main(options: argparse.Namespace) -> int:
    """Print a line for each layer."""
    import torch

    torch.set_num_threads(1)
    titles = "".join([f"{title:>10}" for title in TITLES])
    print(f"{'layer':<26}{titles}  (us)")
    for name, (ours, alone, peer) in contestants():
        times = measured([ours, alone, peer, peer], options.rounds)
        figures = "".join([f"{t:10.1f}" for t in (*times, times[0] - times[1])])
        print(f"{name:<26}{figures}")
    return 0
