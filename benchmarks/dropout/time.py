"""One backward pass of the digits network: its time, what is kept for it, its error."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from benchmarks.dropout import write
from benchmarks.dropout.network import BATCH, WAYS, Digits, digits, loss
from benchmarks.dropout.train import today
from benchmarks.environment import header
from benchmarks.measure import clocked

ROUNDS, DRAWS = 60, 100


def main(options: argparse.Namespace) -> int:
    """Measure every way to sample, in turn."""
    torch.set_num_threads(options.threads)
    x, labels = (part[:BATCH] for part in digits())
    models = {}
    for name, shares in WAYS.items():
        torch.manual_seed(0)
        models[name] = Digits(shares)
    seconds: dict[Any, list[float]] = {name: [] for name in WAYS}
    for turn in range(ROUNDS + 10):
        for name, model in models.items():
            value = loss(model, x, labels)
            spent = clocked(value.backward)
            if turn >= 10:  # before, plans are made
                seconds[name].append(spent)
    exact = gradient(models["exact", 1], x, labels)
    rows = [
        {
            "way": name[0],
            "keep": name[1],
            "ms": round(1e3 * sorted(seconds[name])[ROUNDS // 2], 3),
            "kept": kept_bytes(model, x, labels),
            "error": round(error(model, x, labels, exact), 4),
        }
        for name, model in models.items()
    ]
    for row in rows:
        print(row)
    settings = {"batch": BATCH, "threads": options.threads, "date": today()}
    write(options.results, "time", header(**settings), rows)
    return 0


def kept_bytes(model: Digits, x: torch.Tensor, labels: torch.Tensor) -> int:
    """What autograd keeps for one backward pass, each memory once, no parameters."""
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = loss(model, x, labels)
    total = sum(found.values())
    del value
    return total


def gradient(model: Digits, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The gradient of the weights that are sampled."""
    weights = (model.second.weight, model.third.weight)
    found = torch.autograd.grad(loss(model, x, labels), weights)
    return torch.cat([part.flatten() for part in found])


def error(
    model: Digits, x: torch.Tensor, labels: torch.Tensor, exact: torch.Tensor
) -> float:
    """The root of the mean squared error of the gradient, relative to its norm."""
    squares = [
        float((gradient(model, x, labels) - exact).square().sum()) for _ in range(DRAWS)
    ]
    return float((sum(squares) / DRAWS) ** 0.5 / exact.norm())
