"""Train on digits with every way to sample, and write the test accuracies."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

import torch

from benchmarks.dropout import read, write
from benchmarks.dropout.network import BATCH, TEST, WAYS, Digits, digits, loss
from benchmarks.environment import header

RATE = 2e-3


def main(options: argparse.Namespace) -> int:
    """Train what is missing, a line for each run."""
    torch.set_num_threads(options.threads)
    settings = {"epochs": options.epochs, "batch": BATCH, "rate": RATE, "test": TEST}
    rows = read(options.results, "train").get("rows", [])
    done = {(row["way"], row["keep"], row["seed"]) for row in rows}
    for seed in range(options.seeds):
        for (way, keep), shares in WAYS.items():
            if (way, keep, seed) in done:
                continue
            accuracy = run(shares, seed, options.epochs)
            print(way, keep, seed, accuracy[-1], flush=True)
            rows.append({"way": way, "keep": keep, "seed": seed, "accuracy": accuracy})
            write(options.results, "train", header(**settings, date=today()), rows)
    return 0


def today() -> str:
    """The date of a run."""
    return date.today().isoformat()


def run(shares: dict[str, float], seed: int, epochs: int) -> list[float]:
    """Train from one seed; the accuracy on the test set after each epoch, in %."""
    torch.manual_seed(seed)
    x, labels = digits()
    model = Digits(shares)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    found = []
    for _ in range(epochs):
        model.train()
        for batch in (TEST + torch.randperm(len(x) - TEST)).split(BATCH):
            optimizer.zero_grad()
            loss(model, x[batch], labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        found.append(accuracy(model, x[:TEST], labels[:TEST]))
    return found


def accuracy(model: Any, x: torch.Tensor, labels: torch.Tensor) -> float:
    """How many are right, in %."""
    model.eval()
    with torch.no_grad():
        right = (model(x).argmax(1) == labels).sum()
    return round(100 * float(right) / len(labels), 2)
