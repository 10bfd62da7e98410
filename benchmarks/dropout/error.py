"""One backward pass of the digits network: what is kept for it, and its error."""

from __future__ import annotations

import argparse

import torch

from benchmarks.dropout.network import BATCH, WAYS, Digits, digits, loss
from benchmarks.dropout.train import today
from benchmarks.environment import header
from benchmarks.rows import write

DRAWS = 50


def main(options: argparse.Namespace) -> int:
    """Measure every way to sample before it is trained, with either kind of scores."""
    torch.set_num_threads(options.threads)
    x, labels = (part[:BATCH] for part in digits())
    rows = []
    for (way, keep), shares in WAYS.items():
        flat, mean = fresh(shares), fresh(shares, mean=True)
        kept = kept_bytes(flat, x, labels)
        rows.append({"way": way, "keep": keep, "kept": kept})
        rows[-1] |= {"flat": error(flat, x, labels), "mean": error(mean, x, labels)}
        print(rows[-1])
    settings = {"batch": BATCH, "draws": DRAWS, "date": today()}
    write(options.results, "error", header(**settings), rows)
    return 0


def fresh(shares: dict[str, float], mean: bool = False) -> Digits:
    """An untrained network, the same for all ways."""
    torch.manual_seed(0)
    return Digits(shares, mean)


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


def error(model: Digits, x: torch.Tensor, labels: torch.Tensor) -> float:
    """The root of the mean squared error of the gradient, relative to its norm."""
    exact = gradient(fresh({}, model.mean), x, labels)
    draws = (gradient(model, x, labels) - exact for _ in range(DRAWS))
    mean = sum(float(draw.square().sum()) for draw in draws) / DRAWS
    return round(float(mean**0.5 / exact.norm()), 4)
