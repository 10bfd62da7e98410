"""docs/dropout.md and its picture, from what the other parts wrote."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, geometric_mean, median, stdev
from textwrap import fill
from typing import Any

from benchmarks.dropout.text import FIRST, LAYERS, TRAINED
from benchmarks.rows import read
from benchmarks.table import table

PAGE = Path(__file__).parents[2] / "docs" / "dropout.md"
#: shown in this order
LABELS = ("n", "c", "d", "g", "i0", "o0")
Row = dict[str, Any]


def main(options: argparse.Namespace) -> int:
    """Write both."""
    path = options.out or PAGE
    path.write_text(page(options.results), "utf-8")
    try:
        draw(ways(options.results), path.with_suffix(".png"))
    except ImportError:
        print("drawing needs matplotlib: pip install 'tnconv[bench]'")
        return 1
    print(path)
    return 0


def page(folder: Path) -> str:
    """The text of the page."""
    return "\n".join((FIRST, trained(folder), layers(folder)))


def ways(folder: Path) -> list[Row]:
    """A row for each way to sample: means over seeds, and what `error` measured."""
    runs = defaultdict(list)
    for row in read(folder, "train")["rows"]:
        runs[row["way"], row["keep"]].append(row)
    found = []
    for row in read(folder, "error")["rows"]:
        own = runs[row["way"], row["keep"]]
        last = [run["accuracy"][-1] for run in own]
        early = [run["accuracy"][1] for run in own]
        figures = {
            "accuracy": fmean(last),
            "spread": stdev(last),
            "early": fmean(early),
        }
        found.append({**row, **figures, "ms": median(run["ms"] for run in own)})
    return found


def trained(folder: Path) -> str:
    """The section on training."""
    head, errors = read(folder, "train"), read(folder, "error")
    found = ways(folder)
    body = (
        (
            row["way"],
            f"{row['keep']:g}",
            f"{row['accuracy']:.1f} ± {row['spread']:.1f}",
            f"{row['early']:.1f}",
            f"{row['ms']:.1f}",
            f"{row['kept'] / 2**20:.2f}",
            f"{row['flat']:.2f}",
            f"{row['mean']:.2f}",
        )
        for row in found
    )
    titles = (
        *("kept", "share", "accuracy, %", "after 2 epochs, %", "backward, ms"),
        *("memory, MiB", "error", "error, mean"),
    )
    return TRAINED.format(
        **{key: head["header"][key] for key in ("test", "rate", "batch", "epochs")},
        seeds=len({row["seed"] for row in head["rows"]}),
        table=table(titles, body),
        draws=errors["header"]["draws"],
        said=fill(_compared(found), 88),
    )


def _compared(found: list[Row]) -> str:
    """Spatial against channel sampling at half, in a sentence."""
    half = {row["way"]: row for row in found if row["keep"] == 0.5}
    first, other = half["spatial"], half["channel"]
    return (
        f"At the same memory (half), keeping rows has {first['mean']:.2f} of error "
        f"where keeping channels has {other['mean']:.2f} if the loss sees the mean of "
        f"the map, and {first['flat']:.2f} against {other['flat']:.2f} if it sees each "
        "position by itself: rows stand for their neighbors where these say the same."
    )


def layers(folder: Path) -> str:
    """The section on real layers."""
    known = read(folder, "layers")
    slow = [row for row in known["rows"] if len(row) > 2]
    ratios = [
        {label: row[label] / row["exact"] for label in LABELS if label in row}
        for row in slow
    ]
    best = [min(row.values()) for row in ratios]
    columns = {a: [row[a] for row in ratios if a in row] for a in LABELS}
    body = [(f"`{a}`", *_figures(found)) for a, found in columns.items() if found]
    titles = ("half of", "layers", "faster than exact", "geometric mean", "worst")
    head = known["header"]
    return LAYERS.format(
        **{key: head[key] for key in ("batch", "threads", "least")},
        count=len(slow),
        all=len(known["rows"]),
        table=table(titles, [*body, ("best", *_figures(best))]),
        said=_said(slow, best),
        each=_each(slow, ratios),
    )


def _figures(found: list[float]) -> tuple[str, ...]:
    faster = sum(ratio < 1 for ratio in found)
    return (
        str(len(found)),
        str(faster),
        f"{geometric_mean(found):.2f}",
        f"{max(found):.2f}",
    )


def _said(slow: list[Row], best: list[float]) -> str:
    lost = [row["layer"] for row, ratio in zip(slow, best, strict=True) if ratio >= 1]
    if not lost:
        return "It is faster than the exact gradient on every layer."
    return f"It is not faster on {', '.join(lost)}."


def _each(slow: list[Row], ratios: list[dict[str, float]]) -> str:
    body: Iterable[tuple[str, ...]] = (
        (
            row["layer"],
            f"{row['exact']:.1f}",
            *(f"{own[a]:.2f}" if a in own else "" for a in LABELS),
        )
        for row, own in zip(slow, ratios, strict=True)
    )
    return table(("layer", "exact", *(f"`{a}`" for a in LABELS)), body)


def draw(rows: list[Row], path: Path) -> None:
    """Accuracy against memory, and against the time of a backward pass."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    styles = {"exact": "k*", "spatial": "C0o", "channel": "C1s", "batch": "C2^"}
    for way, style in styles.items():
        own = [row for row in rows if row["way"] == way]
        heights = [row["accuracy"] for row in own]
        bars = [row["spread"] for row in own]
        for panel, places in (
            (panels[0], [row["kept"] / 2**20 for row in own]),
            (panels[1], [row["ms"] for row in own]),
        ):
            panel.errorbar(places, heights, bars, fmt=style, label=way, capsize=2)
            for place, height, row in zip(places, heights, own, strict=True):
                panel.annotate(f" {row['keep']:g}", (place, height), fontsize=8)
    panels[0].set_xlabel("kept for the backward pass, MiB")
    panels[1].set_xlabel("backward pass, ms")
    panels[0].set_ylabel("test accuracy, %")
    panels[0].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
