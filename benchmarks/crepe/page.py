"""What was measured of CREPE, as a table of docs/crepe.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "crepe.md"
START, END = "<!-- crepe: ", "<!-- end -->"
HEAD = (
    "network",
    "fit",
    "raw pitch",
    "points lost",
    "cents",
    "parameters",
    "multiply-adds",
    "ms at batch 1",
    "at batch 32",
    "dense / ours, 1",
    "32",
    "chains / ours, 1",
    "32",
)
BATCHES = ("1", "32")


def tables(rows: list[dict[str, Any]]) -> str:
    """A line for each network, in the order of the ways; times are those of a frame."""
    dense = rows[0]["raw_pitch"]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    ordered = sorted(rows, key=lambda row: ways.index(row["way"]))
    lines = [HEAD, ["---"] * len(HEAD), *(_line(row, dense) for row in ordered)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _line(row: dict[str, Any], dense: float) -> list[str]:
    lost = 100 * (dense - row["raw_pitch"])
    cells = [row["way"], row["fit"], f"{row['raw_pitch']:.1%}", f"{lost:.1f}"]
    cells.append(f"{row['cents']:.1f}")
    if "ms" not in row:
        return cells + [""] * (len(HEAD) - len(cells))
    cells += [f"{row['parameters'][1] / 1e6:.1f} M", f"{row['macs'][1] / 1e6:.0f} M"]
    times = [(row["ms"][batch], int(batch)) for batch in BATCHES]
    cells += [f"{ms['planned'] / frames:.1f}" for ms, frames in times]
    for peer in ("dense", "chains"):
        cells += [f"{ms[peer] / ms['planned']:.2f}x" for ms, _ in times]
    return cells


def paged(page: str, text: str) -> str:
    """The page with the table between its marks."""
    head, rest = page.split(START)
    mark, rest = rest.split("\n", 1)
    return f"{head}{START}{mark}\n{text}{END}{rest.split(END)[1]}"
