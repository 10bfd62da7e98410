"""Networks given to workers: what is predicted, and what it takes.

    python -m benchmarks workers

Contracts some layers in one thread, and in blocks by two threads, two processes and two
workers of a ``distributed.LocalCluster``, one BLAS thread each, side by side. All
results are compared. Blocks are given away here whether or not that is predicted to
pay; the column "given away" says whether they are otherwise. Prints Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from benchmarks.environment import fix_threads
from benchmarks.measure import alternate
from benchmarks.table import table

HELP = "contracting by the workers of an executor against contracting here"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="numpy", help="numpy, torch, ...")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each network")
    parser.add_argument("--shrink", type=int, default=1, help="divides channels")


def cases(shrink: int) -> Iterator[tuple[str, Any]]:
    """Layers, from a few milliseconds to a second."""
    from tnconv import networks

    for batch, channels, size in ((8, 32, 32), (32, 64, 56), (64, 512, 14)):
        c = channels // shrink
        x, w = (batch, c, size, size), (c, c, 3, 3)
        name = f"{batch}x{c}x{size}x{size}"
        yield f"forward {name}", networks.conv(x, w, padding=1)
        yield f"KFAC factor {name}", networks.kfac_input_factor(x, (3, 3), padding=1)


def executors(workers: int, stack: ExitStack) -> dict[str, Any]:
    """Who is compared."""
    from benchmarks.spread import nodes

    spawn = multiprocessing.get_context("spawn")
    return {
        "threads": stack.enter_context(ThreadPoolExecutor(workers)),
        "processes": stack.enter_context(ProcessPoolExecutor(workers, spawn)),
        "Dask": stack.enter_context(nodes(workers)),
    }


def rows(
    name: str, network: Any, options: argparse.Namespace, teams: dict[str, Any]
) -> Iterator[tuple[str, ...]]:
    """One network by everybody."""
    import numpy as np

    import tnconv
    from tnconv.execution.crew import Crew
    from tnconv.execution.registry import backend as backend_named
    from tnconv.execution.teams import team_of
    from tnconv.planning.spread import GAIN, cheapest

    backend: Any = backend_named(options.backend)
    place = backend.home("float32")
    planned = tnconv.expression(network, backend=options.backend).planned
    shapes = network.arguments.values()
    arrays = [backend.sample(place, shape, at) for at, shape in enumerate(shapes)]
    here = backend.compile(planned.program, place)
    expected = np.asarray(here(arrays))
    calls: dict[str, Callable[[], Any]] = {"here": lambda: here(arrays)}
    found: dict[str, Any] = {}
    for who, executor in teams.items():
        team = team_of(executor, backend, place)
        made = None if team is None else cheapest(planned, 4, team)
        if made is None:
            continue
        run = backend.compile(made.program, place, Crew(options.backend, executor))
        error = np.abs(np.asarray(run(arrays)) - expected).max()
        if error > 1e-4 * np.abs(expected).max():
            raise SystemExit(f"{name} by {who}: the results differ by {error}")
        calls[who], found[who] = (lambda run=run: run(arrays)), made
    times = alternate(calls, options.seconds, 0)
    for who, made in found.items():
        seconds, own = times["here"].seconds, times[who].seconds
        yield (
            *(name, who, f"{made.plan.blocks.size} of {made.plan.blocks.label}"),
            *(f"{seconds * 1e3:.2f}", f"{own * 1e3:.2f}"),
            *(f"{planned.seconds / made.seconds:.2f}", f"{seconds / own:.2f}"),
            "yes" if made.seconds <= GAIN * planned.seconds else "no",
        )


def main(options: argparse.Namespace) -> int:
    """Time, print; returns the exit status."""
    fix_threads(1)
    if options.backend == "torch":
        import torch

        torch.set_num_threads(1)
    head = ("network", "by", "blocks", "here ms", "there ms", "predicted gain")
    body: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        teams = executors(options.workers, stack)
        for name, network in cases(options.shrink):
            body += rows(name, network, options, teams)
    print(table((*head, "gain", "given away"), body))
    return 0
