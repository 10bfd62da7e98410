"""Second-order and private-training libraries, and tnconv in their place.

    python -m benchmarks clients --out clients.json
    python -m benchmarks clients --show clients.json

A contestant that is not installed is listed with the reason. Results are compared
before they are timed; extra memory is the peak beyond what is read and the result.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.measure import Call, alternate, extra_bytes

HELP = "gradients for each example, their norms and KFAC passes against the libraries"
SECTIONS = ("examples", "norms", "reduce", "expand", "published")
OURS = "tnconv"
PEERS = ("opacus", "curvlinops-for-pytorch", "singd")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("--out", type=Path, help="JSON to write; sections that it has are replaced")
    add("--show", type=Path, help="print the tables of such a file; measure nothing")
    add("--section", nargs="*", choices=SECTIONS, default=SECTIONS)
    add("--seconds", type=float, default=2.0, help="timing per case, at least 3 rounds")
    add("--threads", type=int, default=2)
    add("--layers", type=int, default=8, help="layers of a section that takes several")


def main(options: argparse.Namespace) -> int:
    """Measure the sections, write them, and print their tables."""
    if options.show:
        print(tables(json.loads(options.show.read_text("utf-8"))))
        return 0
    environment.fix_threads(options.threads)
    from benchmarks.clients.tasks import cases

    header = environment.header(threads=options.threads)
    header["versions"] = environment.versions(PEERS)
    found: dict[str, Any] = {"header": header}
    if options.out and options.out.exists():
        found = json.loads(options.out.read_text("utf-8")) | found
    for section in options.section:
        rows = [
            measured(name, calls, cannot, options.seconds)
            for name, calls, cannot in cases(section, options.layers)
        ]
        found[section] = rows
        print(table(section, rows), flush=True)
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


def measured(
    name: str, calls: Mapping[str, Call], cannot: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """One case: seconds and extra bytes of each contestant whose result is right."""
    import torch

    refused, expected = dict(cannot), calls[OURS]()
    for own, call in calls.items():
        if not torch.allclose(call(), expected, rtol=1e-3, atol=1e-4):
            refused[own] = "wrong result"
    right = {own: call for own, call in calls.items() if own not in refused}
    extra = {own: extra_bytes(call) for own, call in right.items()}
    times = alternate(right, seconds, 0)
    return {
        "case": name,
        "seconds": {own: timing.seconds for own, timing in times.items()},
        "extra": extra,
        "cannot": refused,
    }


def tables(found: Mapping[str, Any]) -> str:
    """The tables of a file."""
    return "\n".join(table(s, found[s]) for s in SECTIONS if s in found)


def table(section: str, rows: list[dict[str, Any]]) -> str:
    """A Markdown table: milliseconds (and extra MiB) of each contestant, and ratios."""
    peers = sorted({own for row in rows for own in row["seconds"]} - {OURS})
    head = [section, OURS, *peers, "best peer / tnconv"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        times = row["seconds"]
        best = min((times[own] for own in peers if own in times), default=None)
        ratio = f"{best / times[OURS]:.2f}" if best and OURS in times else ""
        lines.append([row["case"], *(_cell(row, own) for own in head[1:-1]), ratio])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    reasons = {f"{own}: {why}" for r in rows for own, why in r["cannot"].items()}
    return text + "".join(f"\nCannot: {reason}\n" for reason in sorted(reasons))


def _cell(row: Mapping[str, Any], own: str) -> str:
    if own not in row["seconds"]:
        return "-"
    extra = row["extra"].get(own)
    memory = "" if extra is None else f" ({extra / 2**20:.1f})"
    return f"{row['seconds'][own] * 1e3:.2f}{memory}"
