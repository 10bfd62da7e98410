"""Markdown tables of a run: means, worst cases, memory, and who cannot do what."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from benchmarks.cases import OPERATIONS
from benchmarks.contestants import OURS
from benchmarks.record import Results, load
from benchmarks.summary import (
    Row,
    against,
    geomean,
    operations,
    refusals,
    resolution,
    rows,
    spread,
)

HELP = "print the tables of a run in Markdown"
#: how many of the worst cases are named
NAMED = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", type=Path, help="what `run` or `compact` wrote")


def main(options: argparse.Namespace) -> int:
    """Print everything."""
    print(tables(load(options.file)), end="")
    return 0


def tables(results: Results) -> str:
    """All tables of a run, with headings of the third level."""
    parts = [
        ("Best peer's time over ours", means(results)),
        ("Every contestant's time over ours", singles(results)),
        ("Worst cases", worst(results)),
        ("Extra memory", memory(results)),
        ("Who cannot do what", cannot(results)),
    ]
    return "\n".join(f"### {title}\n\n{text}" for title, text in parts)


def table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [tuple(head)]
    lines += [("---",) * len(lines[0]), *map(tuple, body)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def sets(found: list[Row], operation: str) -> list[tuple[str, list[Row]]]:
    """Layers together, and apart by what simplification leaves of their network."""
    parts = [
        ("all", found),
        ("patterns left", [row for row in found if row.measured.patterns]),
        ("no pattern left", [row for row in found if not row.measured.patterns]),
    ]
    if operation == "kfac-reduce":
        parts.append(
            ("kernel larger than 1", [row for row in found if row.measured.taps > 1])
        )
    return [(name, part) for name, part in parts if part]


def means(results: Results) -> str:
    """Geometric mean and worst case of each operation against the best peer."""
    body = []
    for operation in operations(results):
        found = rows(results, operation)
        for name, part in sets(found, operation):
            lowest = min(part, key=lambda row: row.repeated)
            own = resolution(part, results.header["backend"])
            body.append(
                (
                    OPERATIONS[operation][2],
                    name,
                    str(len(part)),
                    f"{geomean(row.ratios[0] for row in part):.2f}",
                    f"{min(row.ratios[0] for row in part):.2f}",
                    f"{lowest.repeated:.2f} ({lowest.measured.layer})",
                    f"{sum(row.repeated >= 1 for row in part) / len(part):.0%}",
                    f"{geomean(own):.3f}, {spread(own):.2f}" if own else "-",
                )
            )
    head = (
        "operation", "layers", "cases", "geometric mean", "worst, first round",
        "worst, best of its rounds", "not slower", "reference again: mean, 90% within",
    )  # fmt: skip
    return table(head, body)


def singles(results: Results) -> str:
    """Geometric mean against every contestant, over the cases that it can do."""
    each = {op: against(rows(results, op)) for op in operations(results)}
    names = sorted({name for found in each.values() for name in found})
    body = (
        (
            OPERATIONS[operation][2],
            *(
                f"{geomean(found[name]):.2f} ({len(found[name])})"
                if name in found
                else "-"
                for name in names
            ),
        )
        for operation, found in each.items()
    )
    return table(("operation (cases)", *names), body)


def worst(results: Results) -> str:
    """The lowest ratios of each operation by name, with the rounds they come from."""
    body = []
    for operation in operations(results):
        for row in rows(results, operation)[:NAMED]:
            seconds = row.measured.seconds
            body.append(
                (
                    OPERATIONS[operation][2],
                    row.measured.layer,
                    f"{row.repeated:.2f}",
                    ", ".join(f"{value:.2f}" for value in row.ratios),
                    f"{seconds[OURS] * 1e3:.2f}",
                    f"{seconds[row.peer] * 1e3:.2f} ({row.peer})",
                )
            )
    head = ("operation", "layer", "best", "rounds", "ours, ms", "best peer, ms")
    return table(head, body)


def memory(results: Results) -> str:
    """The largest share of extra memory of each contestant, and where ours is."""
    each = {op: rows(results, op) for op in operations(results)}
    shares = [row.share for found in each.values() for row in found]
    peers = sorted({name for share in shares for name in share} - {OURS})
    body = []
    for operation, found in each.items():
        weighed = [row for row in found if OURS in row.share]
        if not weighed:
            continue
        top = max(weighed, key=lambda row: row.share[OURS])
        others = (
            [row.share[name] for row in found if name in row.share] for name in peers
        )
        body.append(
            (
                OPERATIONS[operation][2],
                f"{top.share[OURS]:.2f} ({top.measured.layer})",
                *(f"{max(own):.2f}" if own else "-" for own in others),
            )
        )
    return table(("largest share", OURS, *peers), body)


def cannot(results: Results) -> str:
    """Contestants without a time, by reason, with the number of cases."""
    lines: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
    for operation in operations(results):
        for name, reasons in refusals(results, operation).items():
            for reason, layers in reasons.items():
                title = OPERATIONS[operation][2]
                lines.setdefault((name, reason), []).append((title, layers))
    body = []
    for (name, reason), found in sorted(lines.items()):
        where = ", ".join(f"{title} ({len(layers)})" for title, layers in found)
        body.append((name, reason, where, found[0][1][0]))
    return table(("contestant", "reason", "operations (cases)", "for example"), body)
