"""How good the choice is: the default plan against the best of the plans timed.

    python -m benchmarks regret --backend torch --every 8 --out regret.json

For a spread of layers and every operation, several plans are made by forbidding what
the chosen one does, and all of them are timed on the same arrays. Regret is the chosen
plan's time over the best one's. Prints Markdown; what ``--out`` writes under
``benchmarks/results/choices`` goes onto the results page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from math import exp, log
from pathlib import Path
from typing import Any

import tnconv
from benchmarks.compact import digits
from benchmarks.environment import header
from benchmarks.layers import DATA, FILES
from tnconv import networks
from tnconv.execution.explain import Explanation
from tnconv.network import Network

HELP = "the default plan against the best of several plans timed"
CLOSE, FAR = 1.25, 2.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="torch", help="numpy, torch, ...")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch")
    parser.add_argument("--every", type=int, default=8, help="take every n-th layer")
    parser.add_argument("--first", type=int, default=0, help="from which one on")
    parser.add_argument("--only", default="", help="layers whose id contains this")
    parser.add_argument("--operations", nargs="*", default=list(OPERATIONS))
    parser.add_argument("--plans", type=int, default=8, help="plans per case")
    parser.add_argument("--slowest", type=float, default=0.25, help="skip predicted s")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after")
    parser.add_argument("--out", default="", help="write the measurements as JSON")


def hyper(record: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters of a record as tnconv takes them."""
    pairs = [tuple(pair) for pair in record["padding_pairs"]]
    even = all(low == high for low, high in pairs)
    return {
        "stride": tuple(record["stride"]),
        "padding": tuple(low for low, _ in pairs) if even else tuple(pairs),
        "dilation": tuple(record["dilation"]),
        "groups": record["groups"],
    }


def weight_vjp(x: Any, w: Any, y: Any, how: Any, **more: Any) -> Network:
    """The weight's VJP, per example with ``per_example``."""
    return networks.conv_weight_vjp(x, y, w[2:], **more, **how)


OPERATIONS: dict[str, Callable[..., Network]] = {
    "forward": lambda x, w, y, how: networks.conv(x, w, **how),
    "input VJP": lambda x, w, y, how: networks.conv_input_vjp(w, y, x[2:], **how),
    "weight VJP": weight_vjp,
    "per-example": lambda *a: weight_vjp(*a, per_example=True),
    "KFAC-expand": lambda x, w, y, how: networks.kfac_input_factor(x, w[2:], **how),
    "KFAC-reduce": lambda x, w, y, how: networks.kfac_input_factor(
        x, w[2:], approximation="reduce", **how
    ),
}


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str, Network]]:
    """Layer, operation and network of every case."""
    records = [r for name in FILES for r in json.loads((DATA / name).read_text())]
    records = [r for r in records if options.only in r["id"]]
    for record in records[options.first :: options.every]:
        if record.get("transposed"):
            continue
        x = (options.batch, record["in_channels"], *record["input_size"])
        w, how = tuple(record["weight_shape"]), hyper(record)
        y = networks.conv(x, w, **how).shape
        for operation in options.operations:
            yield record["id"], operation, OPERATIONS[operation](x, w, y, how)


def family(forms: tuple[str, ...]) -> str:
    """The forms of a plan, each named once."""
    return " + ".join(dict.fromkeys(forms)) or "view"


def row(layer: str, operation: str, found: Explanation) -> dict[str, Any]:
    """What is kept of one case."""
    best = min(found.plans, key=lambda plan: plan.measured or float("inf"))
    return {
        "layer": layer,
        "operation": operation,
        "regret": found.regret,
        "chosen": family(found.chosen.forms),
        "best": family(best.forms),
        "chosen_ms": (found.chosen.measured or 0) * 1e3,
        "best_ms": (best.measured or 0) * 1e3,
        "plans": [
            (
                p.rewrites,
                *p.forms,
                digits(p.seconds * 1e3),
                digits((p.measured or 0) * 1e3),
            )
            for p in found.plans
        ],
    }


def measured(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every case, timed; those predicted to be slow are left out."""
    rows, start = [], time.perf_counter()
    for layer, operation, network in cases(options):
        if time.perf_counter() - start > options.seconds:
            print(f"stopped before {layer}, {operation}", file=sys.stderr)
            break
        expression = tnconv.expression(network, backend=options.backend)
        if expression.planned.seconds <= options.slowest:
            found = expression.explain(measure=True, limit=options.plans)
            rows.append(row(layer, operation, found))
    return rows


def geomean(values: list[float]) -> float:
    """The geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def summary(rows: list[dict[str, Any]]) -> str:
    """Regret by operation, the confusion, the worst cases."""
    lines = [
        "| operation | cases | geometric mean | within 1.25x | within 2x | worst |",
        "|---|---|---|---|---|---|",
    ]
    for operation in (*dict.fromkeys(r["operation"] for r in rows), "all"):
        mine = [r["regret"] for r in rows if operation in (r["operation"], "all")]
        shares = [sum(v <= limit for v in mine) / len(mine) for limit in (CLOSE, FAR)]
        lines.append(
            f"| {operation} | {len(mine)} | {geomean(mine):.3f} | {shares[0]:.0%} "
            f"| {shares[1]:.0%} | {max(mine):.2f} |"
        )
    lines += ["", "| chosen | best | cases | regret |", "|---|---|---|---|"]
    pairs = Counter((r["chosen"], r["best"]) for r in rows if r["chosen"] != r["best"])
    same = [r["regret"] for r in rows if r["chosen"] == r["best"]]
    if same:
        lines.append(f"| the same forms | | {len(same)} | {geomean(same):.2f} |")
    for pair, number in pairs.most_common():
        mine = [r["regret"] for r in rows if (r["chosen"], r["best"]) == pair]
        lines.append(f"| {pair[0]} | {pair[1]} | {number} | {geomean(mine):.2f} |")
    lines += ["", "| worst | operation | regret | chosen, ms | best, ms |"]
    lines.append("|---|---|---|---|---|")
    for r in sorted(rows, key=lambda r: -r["regret"])[:10]:
        lines.append(
            f"| {r['layer']} | {r['operation']} | {r['regret']:.2f} "
            f"| {r['chosen']} {r['chosen_ms']:.2f} | {r['best']} {r['best_ms']:.2f} |"
        )
    return "\n".join(lines)


def pack(options: argparse.Namespace, rows: list[dict[str, Any]]) -> str:
    """The text that is kept: machine and settings, then a line for each case."""
    settings = ("backend", "batch", "threads", "every", "first", "slowest")
    head = header(
        date=date.today().isoformat(), **{n: getattr(options, n) for n in settings}
    )
    lines = ",\n".join(json.dumps(row) for row in rows)
    return f'{{"header": {json.dumps(head)},\n"cases": [\n{lines}\n]}}\n'


def main(options: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    if options.backend == "torch":
        import torch

        torch.set_num_threads(options.threads)
    rows = measured(options)
    if not rows:
        print("no case matches", file=sys.stderr)
        return 2
    print(summary(rows))
    if options.out:
        Path(options.out).write_text(pack(options, rows), "utf-8")
    return 0
