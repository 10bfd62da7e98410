"""What is reachable: the best of many plans, and the best peer, timed in turn.

    python -m benchmarks bound --sample 22 --max-macs 4e8 --out bound.json

For every case all plans that are worth a look are timed beside the public function and
its peers: the cheapest by prediction, the one in no blocks, and for every form that
contracts two arrays the best plan in which no other does. If none of them beats the
peer, no better prediction would have; the roofline says whether a better step might.
Prints Markdown; what ``--out`` writes under ``benchmarks/results/bound`` goes onto the
results page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from math import inf
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.bound_table import summary
from benchmarks.cases import OPERATIONS, Cannot, Case, make
from benchmarks.compact import digits
from benchmarks.environment import available_bytes, fix_threads, header
from benchmarks.layers import Layer, select
from benchmarks.measure import Call, alternate, clocked
from benchmarks.regret import family
from benchmarks.roofline import Rates, rates

HELP = "the best of many plans and the best peer, timed in turn, and the roofline"
#: who takes more than this times the fastest by one call, or by prediction more than
#: that times the chosen plan, is not played with
SLOW, UNLIKELY = 3.0, 6.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--backend", choices=tuple(contestants.GROUPS), default="torch")
    add("--operation", nargs="*", choices=tuple(OPERATIONS), help="default: all")
    add("--only", default="", metavar="TEXT", help="layers whose name contains this")
    add("--every", type=int, default=1, metavar="N", help="take every n-th layer")
    add("--sample", type=int, default=0, metavar="M", help="M layers spread by size")
    add("--max-macs", type=float, default=inf, help="products per example")
    add("--batch", type=int, default=8)
    add("--threads", type=int, default=2)
    add("--plans", type=int, default=6, help="the cheapest by prediction, per case")
    add("--seconds", type=float, default=0.1, help="timing per plan or peer")
    add("--out", type=Path, help="write what was measured as JSON, or go on with it")


def main(options: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    fix_threads(options.threads)
    if options.backend == "torch":
        import torch

        torch.set_num_threads(options.threads)
    known = _known(options)
    done = {(row["operation"], row["layer"]) for row in known["cases"]}
    for operation, layer in _cases(options):
        if (operation, layer.name) in done:
            continue
        known["cases"].append(measured(operation, layer, options, known["rates"]))
        print(_line(known["cases"][-1]), file=sys.stderr, flush=True)
        if options.out:
            options.out.write_text(pack(known), "utf-8")
    if not known["cases"]:
        print("no case matches", file=sys.stderr)
        return 2
    print(summary(known))
    return 0


def _known(options: argparse.Namespace) -> dict[str, Any]:
    """What the file holds already; else the machine and its rates, and no cases."""
    if options.out and options.out.exists():
        found: dict[str, Any] = json.loads(options.out.read_text("utf-8"))
        return found
    settings = ("backend", "batch", "threads", "plans", "seconds")
    head = header(
        date=date.today().isoformat(), **{n: getattr(options, n) for n in settings}
    )
    return {"header": head, "rates": rates(options.backend).record(), "cases": []}


def pack(known: dict[str, Any]) -> str:
    """The text that is kept: machine and rates, then a line for each case."""
    lines = ",\n".join(json.dumps(row) for row in known["cases"])
    head = f'"header": {json.dumps(known["header"])}'
    return (
        f'{{{head},\n"rates": {json.dumps(known["rates"])},\n"cases": [\n{lines}\n]}}\n'
    )


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, Layer]]:
    chosen = select(options.only, options.every, options.sample, options.max_macs)
    for operation in options.operation or OPERATIONS:
        for layer in chosen:
            if not (layer.transposed and OPERATIONS[operation][1] is None):
                yield operation, layer


def measured(
    operation: str, layer: Layer, options: argparse.Namespace, speed: dict[str, float]
) -> dict[str, Any]:
    """One case: the public function, every plan and every peer, in milliseconds."""
    case = make(operation, layer, options.batch, available_bytes() // 2, 0)
    case = case.torch() if options.backend == "torch" else case
    calls = _peers(case, options.backend)
    found, unweighed = plans(case, options.backend, options.plans)
    for number, plan in enumerate(found):
        calls[str(number)] = _bound(case, plan, options.backend)
    free = str(found.index(unweighed))
    playing = _promising(calls, {contestants.OURS, "0", free})
    times = alternate(playing, options.seconds * len(playing), seed=0)
    taken = {name: timing.seconds * 1e3 for name, timing in times.items()}
    ours = taken.pop(contestants.OURS)
    own = {n: taken.pop(str(n)) for n in range(len(found)) if str(n) in taken}
    best = min(own, key=own.__getitem__)
    roof = Rates(**speed)
    return {
        "operation": operation,
        "layer": layer.name,
        "ours": digits(ours),
        "free": digits(min(ours, own[0]) if free == "0" else own[int(free)]),
        "best": digits(min(ours, own[best])),
        "plan": _named(found[best]),
        "peers": {name: digits(ms) for name, ms in taken.items()},
        "arithmetic": digits(roof.arithmetic(2 * found[best].flops) * 1e3),
        "memory": digits(roof.memory(case) * 1e3),
        "plans": [
            [_named(found[n]), digits(found[n].seconds * 1e3), digits(ms)]
            for n, ms in own.items()
        ],
    }


def _promising(calls: dict[str, Call], kept: set[str]) -> dict[str, Call]:
    """Some, the fastest peer, and whoever is not far behind by one call."""
    once = {name: min(clocked(call), clocked(call)) for name, call in calls.items()}
    theirs = [n for n in once if n != contestants.OURS and not n.isdigit()]
    kept |= {*sorted(theirs, key=once.__getitem__)[:1]}
    limit = SLOW * min(once.values())
    return {n: call for n, call in calls.items() if n in kept or once[n] <= limit}


def _peers(case: Case, backend: str) -> dict[str, Call]:
    """The public function, and everybody who can do the case beside it."""
    found = {}
    for name, module in contestants.modules(backend, 0).items():
        try:
            call = contestants.build(module, case)
            call()
        except (Cannot, RuntimeError, MemoryError, ValueError):
            if name == contestants.OURS:
                raise
            continue  # `run` says why
        found[name] = call
    return found


def plans(case: Case, backend: str, count: int) -> tuple[list[Any], Any]:
    """Plans with different programs, the chosen one first, and the one that would be
    chosen if memory cost nothing."""
    from tnconv import expression, options
    from tnconv.functions.curvature import TARGETS
    from tnconv.planning.candidates import candidates
    from tnconv.planning.planner import plan_network

    target = TARGETS.get(case.kind)
    job = expression(case.network(), backend=backend, memory_target=target)
    machine, network = job.backend.machine(job.place), job.searched
    found = [
        candidate.planned
        for candidate in candidates(network, machine, job.itemsize, job.options, count)
    ]
    with options(memory_share=inf) as changed:
        free = plan_network(network, machine, job.itemsize, changed)
    others, limit = [free], UNLIKELY * found[0].seconds
    for forms in _restricted():
        with options(forms=forms) as changed:
            others.append(plan_network(network, machine, job.itemsize, changed))
    for plan in others:
        known = [p.program for p in found]
        if plan.program not in known and (plan is free or plan.seconds <= limit):
            found.append(plan)
    return found, next(p for p in found if p.program == free.program)


def _restricted() -> Iterator[list[str]]:
    """Forms of one array, with one that contracts two."""
    from tnconv.planning.rivals import form_table

    table = form_table()
    single = [name for name, form in table.items() if form.values == 1]
    yield from ([*single, name] for name, form in table.items() if form.values == 2)


def _bound(case: Case, plan: Any, backend: str) -> Callable[[], Any]:
    """A call of a plan on the arrays of the case."""
    from tnconv import expression

    job = expression(case.network(), backend=backend)
    arrays = case.ordered(plan.network.arguments)
    run = job.backend.compile(plan.program, job.place)
    return lambda: run(arrays)


def _named(plan: Any) -> str:
    """The forms of a plan, and how it is cut."""
    name = family(tuple(step.form for step in plan.plan.steps))
    blocks = plan.plan.blocks
    return (
        name if blocks is None else f"{name} in blocks of {blocks.size} {blocks.label}"
    )


def _line(row: dict[str, Any]) -> str:
    """A case as it is printed while the command goes on."""
    peer = min(row["peers"].values(), default=inf)
    return (
        f"{row['operation']:<12}{row['layer']:<48}{peer / row['ours']:6.2f}"
        f"{peer / row['best']:6.2f}  ours {row['ours']:.3f} best {row['best']:.3f} "
        f"({row['plan']}) peer {peer:.3f}"
    )
