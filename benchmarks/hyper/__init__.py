"""Large networks: one tree, many trees, and cotengra's own search on dense patterns.

    python -m benchmarks hyper --trials 32

For every network three plans are found: the default one, that of the seeded
hyper-search, and the tree of cotengra's ``auto-hq`` given the same time on the same
network with its patterns as dense tensors. All are judged by the same measures:
predicted seconds (a tree is followed by the forms of tnconv, and improved by them), and
the multiply-adds of its tree on dense patterns. The plans are then timed in turns,
their results compared first; so is cotengra's own contraction of its tree, with the
patterns as the arrays of zeros and ones that it takes them for. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.hyper.cases import Row, row
from benchmarks.hyper.networks import NETWORKS
from benchmarks.table import table

HELP = "large networks: one tree, many trees, and cotengra's own search"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="numpy", help="numpy, torch")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0, help="to time a network")
    parser.add_argument("--only", default="", help="networks whose name contains this")


def main(options: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    names = [name for name in NETWORKS if options.only in name]
    if not names:
        print("no network matches", file=sys.stderr)
        return 2
    rows = [row(name, options) for name in names]
    print(table(SEARCHED, map(searched, rows)))
    print(table(TIMED, map(timed, rows)), end="")
    return 0


SEARCHED = (
    *("network", "operands", "search, s", "one tree, ms", "hyper, ms"),
    *("auto-hq, ms", "auto-hq as it is, ms", "hyper, dense flops"),
    *("best tree tried", "auto-hq, dense flops"),
)
TIMED = (
    *("network", "one tree, ms", "hyper, ms", "auto-hq followed, ms"),
    *("cotengra on dense patterns, ms", "one tree / hyper", "cotengra / hyper"),
    "measured / predicted",
)


def searched(row: Row) -> tuple[str, ...]:
    """What was predicted."""
    return (
        row.name,
        str(row.operands),
        f"{row.search:.1f}",
        *(f"{1e3 * s:.3f}" for s in (row.one, row.hyper, row.hq, row.hq_plain)),
        *(f"{flops:.2e}" for flops in (row.flops, row.least_flops, row.hq_flops)),
    )


def timed(row: Row) -> tuple[str, ...]:
    """What was measured."""
    t: dict[str, Any] = row.times
    return (
        row.name,
        *(f"{1e3 * t[name]:.2f}" for name in ("one", "hyper", "hq", "cotengra")),
        f"{t['one'] / t['hyper']:.2f}",
        f"{t['cotengra'] / t['hyper']:.2f}",
        f"{t['hyper'] / row.hyper:.2f}",
    )
