"""How long a first call plans: each operation of a spread of layers, once.

    python -m benchmarks planning --backend torch --every 20

A process plans one case after another: what shapes share is warm after the first layer,
a small one that is not counted, and nothing of a shape is. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import tnconv
from benchmarks.regret import OPERATIONS, cases
from benchmarks.table import table
from tnconv import networks
from tnconv.network import Network

HELP = "planning time of each operation, for a spread of layers"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", default="torch", help="numpy, torch, ...")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--every", type=int, default=20, help="take every n-th layer")
    parser.add_argument("--first", type=int, default=0, help="from which one on")
    parser.add_argument("--only", default="", help="layers whose id contains this")
    parser.add_argument("--operations", nargs="*", default=list(OPERATIONS))


def milliseconds(network: Network, backend: str) -> float:
    """The time to plan a network and write its program."""
    start = time.perf_counter()
    tnconv.expression(network, backend=backend, dtype="float32").planned  # noqa: B018
    return (time.perf_counter() - start) * 1e3


def main(options: argparse.Namespace) -> int:
    """Measure and print; returns the exit status."""
    found: dict[tuple[str, int], list[tuple[float, str]]] = {}
    warm = networks.conv_weight_vjp((4, 6, 15, 15), (4, 8, 13, 13), (3, 3))
    milliseconds(warm, options.backend)
    for layer, operation, network in cases(options):
        spent = milliseconds(network, options.backend)
        found.setdefault((operation, axes_of(network)), []).append((spent, layer))
    if not found:
        print("no case matches")
        return 2
    head = ("operation", "axes", "layers", "median, ms", "most, ms", "layer")
    rows = (
        (
            name,
            f"{axes}-d",
            str(len(mine)),
            f"{median(t for t, _ in mine):.1f}",
            *_most(mine),
        )
        for (name, axes), mine in sorted(found.items(), key=_order)
    )
    print(table(head, rows))
    return 0


def axes_of(network: Network) -> int:
    """The spatial axes of the layer: those of its first array but two."""
    return len(next(iter(network.arguments.values()))) - 2


def _order(item: tuple[tuple[str, int], object]) -> tuple[int, int]:
    (name, axes), _ = item
    return list(OPERATIONS).index(name), axes


def _most(mine: list[tuple[float, str]]) -> tuple[str, str]:
    spent, layer = max(mine)
    return f"{spent:.1f}", layer
