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
    *(f"{what}, batch {n}" for n in (1, 32) for what in ("dense / planned", "chains")),
)


def tables(rows: list[dict[str, Any]]) -> str:
    """A line for each network; times are ratios within one run."""
    dense = rows[0]["raw_pitch"]
    lines = [HEAD, ["---"] * len(HEAD), *(_line(row, dense) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _line(row: dict[str, Any], dense: float) -> list[str]:
    lost = 100 * (dense - row["raw_pitch"])
    cells = [row["way"], row["fit"], f"{row['raw_pitch']:.1%}", f"{lost:.1f}"]
    cells.append(f"{row['cents']:.1f}")
    if "ms" not in row:
        return cells + [""] * (len(HEAD) - len(cells))
    (before, after), macs = row["parameters"], row["macs"]
    cells += [f"{after / 1e6:.2f} M ({before / after:.2f}x)"]
    cells += [f"{macs[1] / 1e6:.0f} M ({macs[0] / macs[1]:.2f}x)"]
    for batch in ("1", "32"):
        times = {name: ms for name, ms in row["ms"][batch].items()}
        cells.append(
            f"{times['dense'] / batch_size(batch):.2f} ms / "
            f"{times['planned'] / batch_size(batch):.2f} = "
            f"{times['dense'] / times['planned']:.2f}x"
        )
        cells.append(f"{times['dense'] / times['chains']:.2f}x")
    return cells


def batch_size(batch: str) -> int:
    """Times are kept for a batch and shown for a frame."""
    return int(batch)


def paged(page: str, text: str) -> str:
    """The page with the table between its marks."""
    head, rest = page.split(START)
    mark, rest = rest.split("\n", 1)
    return f"{head}{START}{mark}\n{text}{END}{rest.split(END)[1]}"
