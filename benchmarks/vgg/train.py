"""Train, compress in every way, train on; then the controls. A seed at a time."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from datetime import date
from typing import Any

import torch

from benchmarks.environment import header
from benchmarks.rows import read, write
from benchmarks.vgg.network import BATCH, FOLDS, RATE, WIDTHS, fold, trained
from benchmarks.vgg.ways import (
    BUDGETED,
    CONTROLS,
    NOISE,
    RATIOS,
    Small,
    budgeted,
    by_noise,
    control,
    refitted,
)

Row = dict[str, Any]


def main(options: argparse.Namespace) -> int:
    """Go through the seeds that the file has not; a kill loses one seed at most."""
    torch.set_num_threads(options.threads)
    settings = {"epochs": options.epochs, "more": options.more, "batch": BATCH}
    settings |= {"rate": RATE, "folds": FOLDS, "widths": list(WIDTHS)}
    rows = read(options.results, "train").get("rows", [])
    done = {row["seed"] for row in rows}
    for seed in range(options.seeds):
        if seed in done:
            continue
        for row in of_seed(seed, options.epochs, options.more):
            rows.append(row)
            print(row, flush=True)
        head = header(**settings, date=date.today().isoformat())
        write(options.results, "train", head, rows)
    return 0


def of_seed(seed: int, epochs: int, more: int) -> Iterator[Row]:
    """All networks of one seed."""
    data = fold(seed)
    torch.manual_seed(seed)
    first = Small.dense(WIDTHS)
    trained(first.model, data, epochs, seed)
    dense = first.model

    def row(way: str, ratio: int | None, small: Small, length: int = more) -> Row:
        model = copy.deepcopy(small.model)
        found = trained(model, data, length, seed + 1)
        return {"seed": seed, "ratio": ratio, "way": way, **small.cost, **found}

    yield row("dense", 1, first)
    for way in NOISE:
        small = by_noise(dense, data, way)
        if small is not None:
            yield row(way, None, small)
    for ratio in RATIOS:
        made = {way: budgeted(dense, data, way, ratio) for way in BUDGETED}
        made["refit"] = refitted(made["data"], dense, data)
        for way, small in made.items():
            yield row(way, ratio, small)
        for way in CONTROLS:
            small = control(way, made["data"], ratio, seed)
            yield row(way, ratio, small, epochs + more)
