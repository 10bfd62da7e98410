"""docs/vgg.md, from what the other parts wrote."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, stdev
from textwrap import fill
from typing import Any

from benchmarks.rows import read
from benchmarks.table import table
from benchmarks.vgg import said
from benchmarks.vgg.text import PAGE, TIMED

DOC = Path(__file__).parents[2] / "docs" / "vgg.md"
Row = dict[str, Any]
#: how ways are called, in the order shown
NAMES = {
    "tucker2": "Tucker-2",
    "cp": "CP",
    "weights": "chosen",
    "data": "chosen, on data",
    "refit": "chosen, on data, + refit",
    "random": "random factors",
    "thin": "thinner",
}
NOISE = {
    "evbmf": "`EVBMF()`",
    "weakened": "`EVBMF(weaken=0.5)`",
    "port": "as widely copied",
}
CONTROLS = ("random", "thin")


def main(options: argparse.Namespace) -> int:
    """Write it."""
    path = options.out or DOC
    path.write_text(page(options.results), "utf-8")
    print(path)
    return 0


def page(folder: Path) -> str:
    """The text of the page."""
    known = read(folder, "train")
    head, rows = known["header"], known["rows"]
    (first,) = (row for row in rows if row["way"] == "dense" and row["seed"] == 0)
    seeds = len({row["seed"] for row in rows})
    text = PAGE.format(
        **{key: head[key] for key in ("rate", "batch", "epochs", "more")},
        params=f"{first['params']:,}",
        macs=f"{first['macs'] / 1e6:.2f}",
        seeds=seeds,
        test=1797 // head["folds"],
        all=head["epochs"] + head["more"],
        dense=_dense(rows),
        budgets=budgets(rows, head),
        said=fill(said.budgets(rows), 88),
        noise=noise(rows, head["more"]),
        noise_said=fill(said.noise(rows), 88),
    )
    return text + timed(folder)


def of(rows: list[Row], way: str, ratio: int | None) -> list[Row]:
    """The rows of a way, one for each seed."""
    return [row for row in rows if (row["way"], row["ratio"]) == (way, ratio)]


def _dense(rows: list[Row]) -> str:
    own = of(rows, "dense", 1)
    first, last = (spread(own, "accuracy", at) for at in (0, -1))
    return f"{first} %, and {last} % after"


def spread(own: list[Row], what: str, at: int, digits: int = 1) -> str:
    """Mean and standard deviation over seeds."""
    values = [row[what][at] for row in own]
    away = stdev(values) if len(values) > 1 else 0.0
    return f"{fmean(values):.{digits}f} ± {away:.{digits}f}"


def budgets(rows: list[Row], head: Row) -> str:
    """A table for each ratio."""
    more = head["more"]
    titles = ["", "parameters", "million macs", "before"]
    titles += [f"{n} epoch{'s' * (n > 1)}" for n in range(1, more + 1)]
    titles += [f"{head['epochs'] + more} epochs", "loss"]
    parts = []
    for ratio in dict.fromkeys(row["ratio"] for row in rows if row["ratio"]):
        if ratio > 1:
            body = [_line(of(rows, way, ratio), way, more) for way in NAMES]
            parts.append(
                f"{ratio} times fewer, accuracy in %:\n\n{table(titles, body)}"
            )
    return "\n".join(parts)


def _line(own: list[Row], way: str, more: int) -> tuple[str, ...]:
    each = [spread(own, "accuracy", n) for n in range(more + 1)]
    last = spread(own, "accuracy", -1) if way in CONTROLS else ""
    return NAMES[way], *costs(own), *each, last, spread(own, "loss", -1, 2)


def costs(own: list[Row]) -> tuple[str, str]:
    """Mean parameters in thousands and million multiply-adds."""
    params, macs = (fmean(row[what] for row in own) for what in ("params", "macs"))
    return f"{params / 1e3:.0f} k", f"{macs / 1e6:.2f}"


def noise(rows: list[Row], more: int) -> str:
    """What EVBMF's ranks leave of the network."""
    titles = ("ranks", "parameters", "million macs", "before", f"{more} epochs")
    body = [
        (name, *costs(own), spread(own, "accuracy", 0), spread(own, "accuracy", more))
        for way, name in NOISE.items()
        if (own := of(rows, way, None))
    ]
    return table(titles, body)


def timed(folder: Path) -> str:
    """The section on time, where that was measured."""
    known = read(folder, "time")
    if not known:
        return ""
    head, rows = known["header"], known["rows"]
    kinds = list(rows[0]["ms"])
    titles = ("", "fewer", "", *kinds, "chain / tnconv")
    body = [
        (
            NAMES[row["way"]],
            f"{row['ratio']}x",
            row["what"],
            *(f"{row['ms'][kind]:.2f}" for kind in kinds),
            f"{row['ms']['chain'] / row['ms']['tnconv']:.2f}",
        )
        for row in rows
    ]
    keys = {key: head[key] for key in ("batch", "threads", "cpu")}
    return TIMED.format(
        **keys, table=table(titles, body), said=fill(said.times(rows), 88)
    )
