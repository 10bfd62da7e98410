"""Searching on a cluster: as fast as there are cores, and the same plans.

    python -m benchmarks spread

Lists plans for many networks (the first stage of tuning) in this process, and on a
``distributed.LocalCluster`` of separate processes over TCP, then there again with a
worker killed halfway. All listings have to be equal. Times of the workers' start are
left out. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.environment import fix_threads
from benchmarks.table import table
from tnconv.store.plan_json import plan_record
from tnconv.store.records import read_record
from tnconv.tuning.cluster import team
from tnconv.tuning.crew import Alone, Crew
from tnconv.tuning.search import Listing, listed
from tnconv.tuning.tasks import Task

#: what a list of a minute or more takes
FOUR = ("forward", "input-vjp", "weight-vjp", "kfac-expand")
HELP = "searching on a cluster against searching in one process"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="numpy", help="numpy, torch, ...")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--every", type=int, default=1, help="take every n-th layer")
    parser.add_argument("--only", default="", help="layers whose id contains this")
    parser.add_argument("--operations", nargs="*", default=list(FOUR))
    parser.add_argument("--trials", type=int, default=8, help="plans per network")
    parser.add_argument("--workers", type=int, default=2)


@contextmanager
def nodes(workers: int) -> Iterator[Any]:
    """A client of some processes on this machine."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        protocol="tcp",
        dashboard_address=":0",
        silence_logs=50,
    )
    with cluster, Client(cluster) as client:
        client.wait_for_workers(workers)
        client.run(_load)
        yield client


def _load() -> None:
    """What a worker imports with its first task."""
    import tnconv_backends.numpy  # noqa: F401


def plans(crew: Crew, tasks: list[Task], trials: int, kill: Any = None) -> list[Any]:
    """What every listing says of its plans, in the order of the tasks."""
    found: dict[int, Any] = {}
    for at, answer in crew.answers(listed, [(task, trials, 0) for task in tasks]):
        if not isinstance(answer, Listing):
            raise SystemExit(f"{tasks[at].title}: {answer}")
        found[at] = [plan_record(read_record(x, "").plan) for x in answer.lines]
        if kill is not None and len(found) == len(tasks) // 2:
            kill()
    return [found[at] for at in range(len(tasks))]


def main(options: argparse.Namespace) -> int:
    """Search three times, compare, print; returns the exit status."""
    from benchmarks.tuned import tasks as chosen

    fix_threads(1)
    tasks = chosen(options)
    rows, results = [], []

    def timed(name: str, crew: Crew, kill: Any = None) -> None:
        start = time.perf_counter()
        results.append(plans(crew, tasks, options.trials, kill))
        rows.append((name, time.perf_counter() - start))

    timed("one process", Alone())
    with nodes(options.workers) as client:
        pids = client.run(os.getpid)
        timed(f"a cluster of {options.workers}", team(client))
        victim = next(iter(pids.values()))
        kill = lambda: os.kill(victim, signal.SIGKILL)  # noqa: E731
        timed("the same, a worker killed halfway", team(client), kill)
        if victim in client.run(os.getpid).values():
            print("the worker was not killed", file=sys.stderr)
            return 2
    if any(result != results[0] for result in results):
        print("the plans differ", file=sys.stderr)
        return 2
    count = sum(map(len, results[0]))
    print(f"{len(tasks)} networks, {count} plans, the same in all runs.\n")
    body = [(n, f"{s:.1f}", f"{rows[0][1] / s:.2f}x") for n, s in rows]
    print(table(("searched by", "seconds", "of one process"), body))
    return 0
