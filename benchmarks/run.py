"""Measure contestants over layers and operations, into a file that survives a kill."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import contestants, environment, layers, summary
from benchmarks.cases import OPERATIONS, Cannot, kind
from benchmarks.record import Journal, Measured
from benchmarks.worker import READY, TURNS, Task, serve

#: seconds for a worker to import its libraries
STARTING = 300
HELP = "measure tnconv and its contestants over the layers; writes a line for each case"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True, help="file to write, or to go on with")
    add("--backend", choices=tuple(contestants.GROUPS), default="torch")
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
    settings = {
        name: getattr(options, name)
        for name in ("backend", "batch", "threads", "seconds", "seed", "limit")
    }
    date = datetime.now(UTC).date().isoformat()
    header = environment.header(date=date, memory=memory, **settings)
    journal = Journal(options.out, header)
    stop = time.monotonic() + 60 * options.minutes
    with Crew(memory, options.threads, options.limit) as crew:
        for task in tasks(options, memory, journal):
            if time.monotonic() > stop:
                print("out of time; the same command goes on from here")
                break
            measured = crew.measured(task)
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
            memory, options.threads, options.seed,
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


@dataclass
class Crew:
    """A worker process that is replaced where it dies or takes too long."""

    memory: int
    threads: int
    limit: float
    process: Any = None
    pipe: Any = None
    blame: str = ""

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.pipe.send(None)
            self.process.join(10)
            self.end()

    def start(self) -> None:
        """Start a worker; threads are fixed before it imports a library."""
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        arguments = (other, self.memory, self.threads)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        other.close()
        if not self.pipe.poll(STARTING) or self.pipe.recv() != READY:
            raise SystemExit(f"no worker within {STARTING} s")

    def end(self) -> None:
        """End the worker, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.process = None

    def measured(self, task: Task) -> Measured:
        """One case; whoever brings the worker down is left out and said why."""
        try:
            kind(task.operation, task.layer)
        except Cannot as error:
            return Measured(
                task.operation, task.layer.name, task.round,
                taps=task.layer.taps, cannot={"everybody": str(error)},
            )  # fmt: skip
        while True:
            if self.process is None:
                self.start()
            at, found = self.follow(task)
            if found is not None:
                return found
            self.end()
            if at in task.skip or at not in contestants.modules(task.backend):
                blame = dict(task.skip) | {"everybody": f"{at}: {self.blame}"}
                return Measured(
                    task.operation, task.layer.name, task.round, cannot=blame
                )
            task = replace(task, skip=task.skip | {at: self.blame})

    def follow(self, task: Task) -> tuple[str, Measured | None]:
        """What the worker was at last, and what it measured unless it came down."""
        at = "the start"
        try:
            self.pipe.send(task)
            while self.pipe.poll(self.limit * (20 if at == TURNS else 1)):
                what, value = self.pipe.recv()
                if what == "done":
                    return at, value
                at = value
        except (EOFError, OSError):
            self.blame = "killed, most likely for memory"
            return at, None
        self.blame = f"took longer than {self.limit:g} s"
        return at, None
