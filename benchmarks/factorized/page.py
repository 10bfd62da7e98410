"""The tables of factorized convolutions, and their place on the page."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from typing import Any

from benchmarks.table import table

PAGE = Path(__file__).parents[2] / "docs" / "factorised.md"
START, END = "<!-- factorised: ", "<!-- end -->"
PEERS = ("dense", "reconstruct", "textbook")
#: our plans as they are named in a row, and on the page
OURS = {"tnconv": "default plan", "tuned": "tuned plan"}
#: how far from the best peer is near
NEAR = 1.1

Row = dict[str, Any]


def paged(page: str, text: str) -> str:
    """The page with the tables between its marks."""
    head, rest = page.split(START)
    mark, rest = rest.split("\n", 1)
    return f"{head}{START}{mark}\n{text}{END}{rest.split(END)[1]}"


def geomean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def tables(rows: list[Row]) -> str:
    """How our plans compare, by batch, format and rank; then every case in which one
    is not near the best peer, and the noise."""
    ours = [name for name in OURS if name in rows[0]["us"]]
    parts = [compared(rows, own) for own in ours]
    return "\n".join([*parts, losses(rows, ours), noise(rows)])


def compared(rows: list[Row], own: str) -> str:
    """One of our plans against the peers."""
    head = [OURS[own], "cases", "slowest / best peer", f"within {NEAR}x"]
    head += [f"{name} / ours" for name in (*PEERS, "best peer")]
    body = []
    for key in ("batch", "format", "share"):
        for value in dict.fromkeys(row[key] for row in rows):
            mine = [row for row in rows if row[key] == value]
            body.append((f"{key} {value}", *_line(mine, own)))
    return table(head, [*body, ("all", *_line(rows, own))])


def _line(rows: list[Row], own: str) -> tuple[str, ...]:
    ratio = [_ratio(row, own) for row in rows]
    means = [geomean([row["us"][p] / row["us"][own] for row in rows]) for p in PEERS]
    means.append(1 / geomean(ratio))
    near = sum(r <= NEAR for r in ratio) / len(ratio)
    figures = [f"{mean:.2f}" for mean in means]
    return str(len(rows)), f"{max(ratio):.2f}", f"{near:.0%}", *figures


def _ratio(row: Row, own: str) -> float:
    """Our time over that of the best peer."""
    return float(row["us"][own] / min(row["us"][name] for name in PEERS))


def losses(rows: list[Row], ours: Sequence[str]) -> str:
    """Every case in which one of our plans is not near, the worst first."""
    lost = [row for row in rows if max(_ratio(row, own) for own in ours) > NEAR]
    lost.sort(key=lambda row: -max(_ratio(row, own) for own in ours))
    head = [f"not within {NEAR}x", "kernel", "best peer", *(OURS[own] for own in ours)]
    return table([*head, "textbook again", "steps by default"], map(_loss, lost))


def _loss(row: Row) -> tuple[str, ...]:
    """The case, our times over the best peer's, and what noise is there."""
    ranks = " ".join(map(str, row["ranks"]))
    return (
        f"{row['layer']}, batch {row['batch']}",
        f"{row['format']} {ranks}",
        min(PEERS, key=row["us"].__getitem__),
        *(f"{_ratio(row, own):.2f}" for own in OURS if own in row["us"]),
        f"{_again(row):.2f}",
        " ".join(row["plan"]),
    )


def noise(rows: list[Row]) -> str:
    """What the textbook chain's time is of its own, measured twice."""
    found = sorted(map(_again, rows))
    low, high = (found[round(share * (len(found) - 1))] for share in (0.05, 0.95))
    return (
        f"The textbook chain's time over its own, measured twice: {low:.2f} to "
        f"{high:.2f} in nine cases of\nten, {found[0]:.2f} to {found[-1]:.2f} in all.\n"
    )


def _again(row: Row) -> float:
    return float(row["us"]["again"] / row["us"]["textbook"])
