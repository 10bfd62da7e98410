"""What default plans of Kronecker factors hold beyond inputs and result, as a share.

    python -m benchmarks held --backend torch --model 6/167
    python -m benchmarks held --backend numpy --every 10 --measure

Predicted peaks over the layers that are not transposed, float32, by the constants of a
shipped class of processors or of this machine, and the predicted time as a share of
that of plans to which memory costs nothing. ``--measure`` runs the public function:
"allocated" is what the library's allocator was asked for at a time (tracemalloc,
PyTorch's profiler), "resident" what the kernel counts (Linux), the least of three.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

import tnconv
from benchmarks.cases import Case, factor_keywords, make
from benchmarks.environment import fix_threads
from benchmarks.layers import Layer, select
from benchmarks.measure import Call, extra_bytes
from benchmarks.summary import geomean
from benchmarks.table import table
from tnconv.execution.expression import searched
from tnconv.execution.registry import backend
from tnconv.functions.curvature import TARGETS
from tnconv.options import changed, current
from tnconv.planning.charge import SMALL
from tnconv.planning.constants import shipped
from tnconv.planning.machine import Machine
from tnconv.planning.planner import plan_network

HELP = "memory that plans of Kronecker factors hold, predicted and measured"


@dataclass(frozen=True)
class Row:
    """A factor of a layer: bytes, and seconds as a share of those memory free."""

    layer: str
    kind: str
    given: int
    peak: int
    longer: float
    allocated: int | None = None
    resident: int | None = None

    def share(self, nbytes: int | None) -> str:
        """Bytes as a share of inputs plus result."""
        return "-" if nbytes is None else f"{nbytes / self.given:.2f}"

    @property
    def line(self) -> tuple[str, ...]:
        """The row as it is printed."""
        shares = map(self.share, (self.peak, self.allocated, self.resident))
        size = f"{self.given / 2**20:.2f}"
        return self.layer, self.kind, size, *shares, f"{self.longer:.2f}"

    def beyond(self, nbytes: int | None, least: int = 0) -> bool:
        """Whether so many bytes are beyond the target, and ``least`` bytes."""
        return (nbytes or 0) > max(TARGETS[self.kind] * self.given, least)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--backend", choices=("numpy", "torch"), default="torch")
    add("--model", default="", help="text in the name of a shipped class")
    add("--only", default="", metavar="TEXT", help="layers whose name contains this")
    add("--every", type=int, default=1, metavar="N", help="take every n-th layer")
    add("--max-macs", type=float, default=inf, help="products per example")
    add("--batch", type=int, default=8)
    add("--threads", type=int, default=2)
    add("--measure", action="store_true", help="run them too")


def main(options: argparse.Namespace) -> int:
    """Print; returns the exit status."""
    fix_threads(options.threads)
    chosen = select(options.only, options.every, 0, options.max_macs)
    rows = [
        row
        for layer in chosen
        if not layer.transposed
        for row in rows_of(layer, options)
    ]
    if not rows:
        print("no case matches")
        return 2
    print(summary(rows))
    return 0


def rows_of(layer: Layer, options: argparse.Namespace) -> Iterator[Row]:
    """Both factors of a layer."""
    for kind, target in TARGETS.items():
        case = make(f"kfac-{kind}", layer, options.batch, 0, 0)
        case = case.torch() if options.backend == "torch" else case
        network = searched(case.network(), "float32")
        machine = machine_of(options.backend, options.model, case.wide)
        plan, free = (
            plan_network(network, machine, 4, changed(current(), changes))
            for changes in ({"memory_target": target}, {"memory_share": inf})
        )
        given = case.given_bytes + case.result_bytes
        measured = weighed(case) if options.measure else (None, None)
        longer = plan.seconds / free.seconds
        yield Row(layer.name, kind, given, plan.peak, longer, *measured)


def machine_of(name: str, model: str, array: Any) -> Machine:
    """A shipped class of processors, or where the array is."""
    if not model:
        found: Any = backend(name)
        machine: Machine = found.machine(found.place(array))
        return machine
    cpus = [m for m in shipped() if m.name == name and m.device.kind == "cpu"]
    return next(m for m in cpus if model in m.device.model)


def weighed(case: Case) -> tuple[int, int | None]:
    """Bytes beside the result that are allocated at a time, and resident."""
    how: Any = factor_keywords(case.kind) | case.layer.hyper()

    def call() -> Any:
        return tnconv.kfac_input_factor(case.wide, case.layer.kernel_size, **how)

    result = call()
    allocated = _traced(call) if isinstance(result, np.ndarray) else _asked(call)
    found = [extra_bytes(call) for _ in range(3)]
    known = [nbytes for nbytes in found if nbytes is not None]
    return allocated - int(result.nbytes), min(known, default=None)


def _traced(call: Call) -> int:
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak


def _asked(call: Call) -> int:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        result = call()
    held = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    del result
    return peak


def summary(rows: list[Row]) -> str:
    """How many are beyond their target, and which."""
    head = ("factor", "layers", "beyond", "of these above 1 MiB", "time", "longest")
    head += ("allocated beyond", "resident beyond")
    lines = []
    for kind in TARGETS:
        mine = [row for row in rows if row.kind == kind]
        counts = [
            sum(row.beyond(getattr(row, name), least) for row in mine)
            for name, least in (("peak", 0), ("peak", SMALL))
        ]
        times = geomean(row.longer for row in mine), max(row.longer for row in mine)
        seen = [
            sum(row.beyond(getattr(row, name)) for row in mine)
            if any(getattr(row, name) is not None for row in mine)
            else "-"
            for name in ("allocated", "resident")
        ]
        lines.append((kind, len(mine), *counts, *(f"{t:.2f}" for t in times), *seen))
    every = table(head, [tuple(map(str, line)) for line in lines])
    each = [
        row.line
        for row in rows
        if any(map(row.beyond, (row.peak, row.allocated, row.resident)))
    ]
    names = ("layer", "factor", "inputs + result, MiB", "predicted", "allocated")
    return every + "\n\n" + table((*names, "resident", "time"), each)
