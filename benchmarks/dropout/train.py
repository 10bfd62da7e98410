"""Train on digits with every way to sample: accuracies, times of backward passes."""

from __future__ import annotations

import argparse
import time
from datetime import date
from statistics import median
from typing import Any

import torch

from benchmarks.dropout.network import BATCH, TEST, WAYS, Digits, digits, loss
from benchmarks.environment import header
from benchmarks.measure import clocked
from benchmarks.rows import read, write

RATE = 1e-3


def main(options: argparse.Namespace) -> int:
    """Train what is missing, a line for each run."""
    torch.set_num_threads(options.threads)
    end = time.perf_counter() + options.seconds
    settings = {"epochs": options.epochs, "batch": BATCH, "rate": RATE, "test": TEST}
    rows = read(options.results, "train").get("rows", [])
    done = {(row["way"], row["keep"], row["seed"]) for row in rows}
    for seed in range(options.seeds):
        for (way, keep), shares in WAYS.items():
            if (way, keep, seed) in done:
                continue
            rows.append({"way": way, "keep": keep, "seed": seed})
            rows[-1] |= run(shares, seed, options.epochs)
            print(rows[-1], flush=True)
            write(options.results, "train", header(**settings, date=today()), rows)
            if time.perf_counter() > end:
                print("time is up: the same command goes on")
                return 0
    print("everything is trained")
    return 0


def today() -> str:
    """The date of a run."""
    return date.today().isoformat()


def run(shares: dict[str, float], seed: int, epochs: int) -> dict[str, Any]:
    """Train from one seed: accuracy on the test set after each epoch, in %, and the
    median of the milliseconds of a backward pass."""
    torch.manual_seed(seed)
    x, labels = digits()
    model = Digits(shares)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    accuracies, spent = [], []
    for _ in range(epochs):
        model.train()
        for batch in torch.split(TEST + torch.randperm(len(x) - TEST), BATCH):
            optimizer.zero_grad()
            spent.append(clocked(loss(model, x[batch], labels[batch]).backward))
            optimizer.step()
        accuracies.append(accuracy(model, x[:TEST], labels[:TEST]))
    return {"accuracy": accuracies, "ms": round(1e3 * median(spent), 3)}


def accuracy(model: Any, x: torch.Tensor, labels: torch.Tensor) -> float:
    """How many are right, in %."""
    model.eval()
    with torch.no_grad():
        right = (model(x).argmax(1) == labels).sum()
    return round(100 * float(right) / len(labels), 2)
