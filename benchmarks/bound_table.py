"""The tables of `bound`: what is reachable, and the roofline of what is missed."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import OPERATIONS
from benchmarks.summary import geomean
from benchmarks.table import table

#: below this ratio to the best peer a case is named
NAMED = 0.95


def summary(known: dict[str, Any]) -> str:
    """Means of every operation, then the cases that are lost, worst first."""
    rows = [row for row in known["cases"] if row["peers"]]
    body = []
    for operation, (_, _, title) in OPERATIONS.items():
        mine = [row for row in rows if row["operation"] == operation]
        if mine:
            body.append((title, str(len(mine)), *_means(mine)))
    head = (
        "operation", "cases", "peer over ours", "worst", "memory free", "worst",
        "best plan", "worst", "roofline",
    )  # fmt: skip
    return f"{table(head, body)}\n{_lost(rows)}"


def _means(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    ratios = [[_peer(r) / r[key] for r in rows] for key in ("ours", "free", "best")]
    roof = [_peer(row) / _roof(row) for row in rows]
    pairs = [(geomean(values), min(values)) for values in ratios]
    return (*(f"{v:.2f}" for pair in pairs for v in pair), f"{geomean(roof):.2f}")


def _peer(row: dict[str, Any]) -> float:
    return float(min(row["peers"].values()))


def _roof(row: dict[str, Any]) -> float:
    """What is not undercut: the arithmetic, or reading and writing."""
    return float(max(row["arithmetic"], row["memory"]))


def _lost(rows: list[dict[str, Any]]) -> str:
    """Cases below :data:`NAMED`, beside the best plan and the roofline."""
    lost = [row for row in rows if _peer(row) < NAMED * row["ours"]]
    lost.sort(key=lambda row: _peer(row) / row["ours"])
    body = [
        (
            OPERATIONS[row["operation"]][2],
            row["layer"],
            f"{_peer(row) / row['ours']:.2f}",
            f"{row['ours']:.2f}",
            f"{row['free']:.2f}",
            f"{row['best']:.2f} ({row['plan']})",
            f"{_peer(row):.2f} ({min(row['peers'], key=row['peers'].get)})",
            f"{row['arithmetic']:.2f}",
            f"{row['memory']:.2f}",
        )
        for row in lost
    ]
    head = (
        "operation", "layer", "ratio", "ours, ms", "memory free, ms", "best plan, ms",
        "best peer, ms", "arithmetic, ms", "memory, ms",
    )  # fmt: skip
    return table(head, body) if body else f"No case below {NAMED}.\n"
