"""A picture of a run: sorted ratios of each operation, and what the clock resolves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.cases import OPERATIONS
from benchmarks.record import Results, load
from benchmarks.summary import geomean, operations, resolution, rows, spread

HELP = "draw the sorted ratios of a run"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", type=Path, help="what `run` or `compact` wrote")
    parser.add_argument("--out", type=Path, required=True, help="a .png or .svg file")


def main(options: argparse.Namespace) -> int:
    """Write the picture."""
    try:
        draw(load(options.file), options.out)
    except ImportError:
        print("drawing needs matplotlib: pip install 'tnconv[bench]'")
        return 1
    print(options.out)
    return 0


def draw(results: Results, path: Path) -> None:
    """One panel for each operation; the band is the reference timed against itself."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = operations(results)
    width = min(3, len(names))
    height = -(-len(names) // width)
    figure, axes = pyplot.subplots(
        height, width, figsize=(4 * width, 3 * height), squeeze=False
    )
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for name, axis in zip(names, axes.flat, strict=False):
        panel(axis, name, results)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def panel(axis: Any, operation: str, results: Results) -> None:
    """The ratios of one operation, smallest first, on a logarithmic scale."""
    found = rows(results, operation)
    ratios = sorted(row.ratios[0] for row in found)
    factor = spread(resolution(found, results.header["backend"]))
    axis.axhspan(1 / factor, factor, color="0.85", label="resolution (90%)")
    axis.axhline(1, color="0.5", linewidth=0.8)
    axis.plot(ratios, ".", markersize=3, color="tab:blue")
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_title(f"{OPERATIONS[operation][2]}: {geomean(ratios):.2f}", fontsize=10)
    axis.set_ylabel("best peer / ours")
    axis.set_xlabel("layers, sorted")
    axis.legend(fontsize=7, loc="upper left")
