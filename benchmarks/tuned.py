"""What tuning gains: tuned plans against default ones, measured anew.

    python -m benchmarks tuned --backend torch --every 3 --store tuned.sqlite

Tunes the layers of four networks as ``tnconv tune`` does (what the store holds already
is left), lets a second process find every plan without a search, and then times default
and tuned plans side by side, the default plan twice: that is the noise. Prints
Markdown; ``docs/tune.md`` has what it printed. A run that was ended goes on from its
store and, for what it had measured anew, from ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tnconv
from benchmarks.environment import fix_threads
from benchmarks.layers import DATA
from benchmarks.measure import alternate
from benchmarks.tuned_rows import Row, keep, kept, summary
from tnconv.execution.calibrate import measurable
from tnconv.execution.expression import Expression, clear_caches
from tnconv.execution.registry import backend as backend_named
from tnconv.store.adapt import adapted
from tnconv.store.canonical import canonical
from tnconv.store.key import options_of
from tnconv.tuning.layers import OPERATIONS, read_layer
from tnconv.tuning.tasks import Settings, Task, tasks_of

HELP = "tuned plans against default ones, measured anew"
NETWORKS = ("resnet18", "convnext_base", "mobilenet_v2", "inception_v3")

#: what the second process runs: every plan is found, and nothing is searched
FINDER = """
import sys
from argparse import Namespace
from benchmarks.tuned import expressions
from tnconv.planning.search import Search
def refuse(*args): raise SystemExit("a search was made")
Search.__init__ = refuse
count = 0
for _, found in expressions(Namespace(**{options})):
    assert found.plan.source.startswith("the store"), found.plan.source
    count += 1
for name in ("cotengra", "tnconv.planning.hyper"):
    assert name not in sys.modules, name
print(count)
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="torch", help="numpy, torch, ...")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take every n-th layer")
    parser.add_argument("--only", default="", help="layers whose id contains this")
    parser.add_argument("--operations", nargs="*", default=list(OPERATIONS))
    parser.add_argument("--slowest", type=float, default=0.1, help="skip predicted s")
    parser.add_argument("--seconds", type=float, help="of tuning, at most")
    parser.add_argument("--trials", type=int, default=8, help="plans per network")
    parser.add_argument("--again", type=float, default=0.5, help="s to measure anew")
    parser.add_argument("--store", type=Path, required=True, help="SQLite, new or not")
    parser.add_argument("--out", type=Path, help="JSON of measurements, new or not")


def tasks(options: argparse.Namespace) -> list[Task]:
    """Every operation on the layers, less those predicted to be slow."""
    records = json.loads((DATA / "layers.json").read_text("utf-8"))
    records = [r for r in records if r["network"].startswith(NETWORKS)]
    records = [{**r, "name": r["id"]} for r in records if options.only in r["id"]]
    settings = Settings(
        backend=options.backend, operations=options.operations, batch=options.batch
    )
    chosen = records[:: options.every]
    for record in chosen:
        read_layer(record, options.batch)
    return list(tasks_of(chosen, settings))


def expressions(options: argparse.Namespace) -> Iterator[tuple[Task, Expression]]:
    """What a caller gets for every network: from the store, if that has it."""
    for task in tasks(options):
        if (task.name, task.operation) in options.left:
            continue
        yield task, _expression(task)


def tune(options: argparse.Namespace) -> None:
    """Fill the store; what is slow, or was not reached, is left out of the rest."""
    quick = [task for task in tasks(options) if _seconds(task) <= options.slowest]
    watch = partial(_say, [])
    report = tnconv.tune(
        quick,
        seconds=options.seconds,
        trials=options.trials,
        store=options.store,
        watch=watch,
    )
    print(report, file=sys.stderr)
    titles = {(task.name, task.operation) for task in quick}
    every = [(task.name, task.operation) for task in tasks(options)]
    options.left = [title for title in every if title not in titles]
    if report.left:
        raise SystemExit(
            f"{report.left} networks not reached; the same command goes on"
        )


def _seconds(task: Task) -> float:
    found = _expression(task)
    return found.planned.seconds


def _say(told: list[int], step: Any) -> None:
    told.append(step.done)
    if len(told) % 50 == 0:
        print(f"tuning: {step.done} of {step.total}", file=sys.stderr, flush=True)


def found_elsewhere(options: argparse.Namespace) -> int:
    """How many plans a second process finds, without a search and without an engine."""
    names = ("backend", "batch", "every", "only", "operations", "left")
    given = {name: getattr(options, name) for name in names}
    environment = {
        **os.environ,
        "TNCONV_STORE": str(options.store.absolute()),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-c", FINDER.replace("{options}", repr(given))],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"a second process failed: {done.stderr}")
    return int(done.stdout)


def measured(
    options: argparse.Namespace, known: Mapping[tuple[str, str], Row]
) -> Iterator[Row]:
    """Default and tuned plans side by side, on arrays and times of their own; what an
    earlier run measured is taken as it is."""
    os.environ["TNCONV_STORE"] = "off"
    clear_caches()
    default = [found for _, found in expressions(options)]
    os.environ["TNCONV_STORE"] = str(options.store.absolute())
    clear_caches()
    for one, (task, other) in zip(default, expressions(options), strict=True):
        row = known.get((task.name, task.operation))
        if row is None:
            same = is_default(task, other)
            times = None if same else _times(one, other, options.again)
            row = Row(task.name, task.operation, times)
        yield row


def _expression(task: Task) -> Expression:
    """What is planned for a task, under the share of memory that it aims at."""
    target = options_of(task.constraints).memory_target
    return tnconv.expression(task.network, backend=task.backend, memory_target=target)


def is_default(task: Task, found: Expression) -> bool:
    """Whether tuning kept the default plan, in whatever order it reads its arrays."""
    form = canonical(found.searched)
    default = adapted(task.job().searched(form.network), found.searched, form.names)
    return default.program == found.planned.program


def _times(
    one: Expression, other: Expression, seconds: float
) -> tuple[float, float, float]:
    backend = measurable(backend_named(one.backend.name), "tuned")
    place = backend.home(one.dtype)
    arrays = [
        backend.sample(place, shape, 7 + at)
        for at, shape in enumerate(one.network.arguments.values())
    ]

    def call(of: Expression) -> Callable[[], Any]:
        run = of.compiled(place)
        backend.wait(run(arrays))
        return lambda: backend.wait(run(arrays))

    calls = {"default": call(one), "again": call(one), "tuned": call(other)}
    found = alternate(calls, seconds, 0)
    return found["default"].seconds, found["again"].seconds, found["tuned"].seconds


def main(options: argparse.Namespace) -> int:
    """Tune, find, measure, print; returns the exit status."""
    fix_threads(options.threads)
    if options.backend == "torch":
        import torch

        torch.set_num_threads(options.threads)
    os.environ["TNCONV_STORE"] = "off"
    known = kept(options)
    tune(options)
    count = found_elsewhere(options)
    rows = []
    for row in measured(options, known):
        rows.append(row)
        if options.out:
            keep(options, rows)
    if not rows or count != len(rows):
        print(f"{count} plans found for {len(rows)} networks", file=sys.stderr)
        return 2
    print(f"A second process found all {count} plans without a search.\n")
    print(summary(rows))
    return 0
