"""Measure contestants over layers and operations, into a file that survives a kill."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import contestants, environment, layers, places, summary
from benchmarks.cases import OPERATIONS
from benchmarks.crew import Crew
from benchmarks.record import Journal, Measured
from benchmarks.worker import Task

HELP = "measure tnconv and its contestants over the layers; writes a line for each case"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True, help="file to write, or to go on with")
    add("--backend", choices=tuple(contestants.GROUPS), default="torch")
    add("--device", default="", help="as PyTorch names it; default: cpu, cuda for CuPy")
    add("--operation", nargs="*", choices=tuple(OPERATIONS), help="default: all")
    add("--only", default="", metavar="TEXT", help="layers whose name contains this")
    add("--every", type=int, default=1, metavar="N", help="take every n-th layer")
    add("--sample", type=int, default=0, metavar="M", help="M layers spread by size")
    add("--max-macs", type=float, default=float("inf"), help="products per example")
    add("--batch", type=int, default=8)
    add("--seconds", type=float, default=0.5, help="timing per case, at least 3 rounds")
    add("--threads", type=int, default=2)
    add("--limit", type=float, default=60.0, help="seconds one contestant may take")
    add("--memory", type=float, help="GiB it may take; default: half of what is free")
    add("--minutes", type=float, default=float("inf"), help="start no case after this")
    add("--below", type=float, default=0.95, help="measure again what is below this")
    add("--repeats", type=int, default=0, help="how often those are measured again")
    add("--seed", type=int, default=0)


def main(options: argparse.Namespace) -> int:
    """Measure what the file does not hold yet; status 1 where tnconv has no time."""
    environment.fix_threads(options.threads)
    memory = options.memory and int(options.memory * 2**30)
    memory = memory or environment.available_bytes() // 2
    device = options.device or ("cuda" if options.backend == "cupy" else places.CPU)
    options.device = device
    settings = {
        name: getattr(options, name)
        for name in ("backend", "batch", "threads", "seconds", "seed", "limit")
    }
    settings |= {"device": device, "gpu": places.device_name(device)}
    date = datetime.now(UTC).date().isoformat()
    header = environment.header(date=date, memory=memory, **settings)
    journal = Journal(options.out, header)
    stop = time.monotonic() + 60 * options.minutes
    crew = (options.backend, memory, options.threads, options.limit, device)
    with Crew(*crew) as workers:
        for task in tasks(options, memory, journal):
            if time.monotonic() > stop:
                print("out of time; the same command goes on from here")
                break
            measured = workers.measured(task)
            journal.add(measured)
            print(line(measured, options.backend), flush=True)
    failed = [m for m in journal.cases if contestants.OURS in m.cannot]
    for measured in failed:
        why = measured.cannot[contestants.OURS]
        print(f"FAILED {measured.operation} {measured.layer}: {why}")
    return 1 if failed else 0


def tasks(options: Any, memory: int, journal: Journal) -> Iterator[Task]:
    """What is to be measured: every case once, then again what was low."""
    chosen = layers.select(
        options.only, options.every, options.sample, options.max_macs
    )
    first = [
        Task(
            operation, layer, 1, options.backend, options.batch, options.seconds,
            memory, options.threads, options.seed, options.device,
        )
        for layer in chosen
        for operation in options.operation or OPERATIONS
    ]  # fmt: skip
    done = {measured.key for measured in journal.cases}
    for again in range(1, 2 + options.repeats):
        low = {
            (measured.operation, measured.layer)
            for measured in journal.cases
            if measured.round == 1
            and summary.ratio(measured, options.backend) < options.below
        }
        for task in first:
            key = (task.operation, task.layer.name)
            if (*key, again) not in done and (again == 1 or key in low):
                yield replace(task, round=again)


def line(measured: Measured, backend: str) -> str:
    """A case as it is printed while the run goes on."""
    name = f"{measured.operation:<12}{measured.layer:<48}"
    ours, best = measured.seconds.get(contestants.OURS), summary.best(measured, backend)
    if ours is None or best is None:
        return name + "; ".join(sorted(set(measured.cannot.values())))
    theirs = measured.seconds[best]
    both = f"ours {ours * 1e3:9.3f} ms, {best} {theirs * 1e3:.3f}"
    return f"{name}{theirs / ours:6.2f}  {both}"
