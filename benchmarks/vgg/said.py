"""What the tables show, in sentences that are made from the figures."""

from __future__ import annotations

from math import exp, log
from statistics import fmean
from typing import Any

Row = dict[str, Any]


def mean(rows: list[Row], way: str, ratio: int | None, at: int) -> float:
    """Accuracy of a way after some epochs, over seeds."""
    own = [row for row in rows if (row["way"], row["ratio"]) == (way, ratio)]
    return fmean(row["accuracy"][at] for row in own)


def budgets(rows: list[Row]) -> str:
    """Compressed networks against their controls, at each ratio."""
    more = len(next(row for row in rows if row["way"] == "dense")["accuracy"]) - 1
    found = []
    for ratio in sorted({row["ratio"] for row in rows if row["ratio"]} - {1}):
        ways = ("tucker2", "cp", "weights", "data", "refit")
        ends = {way: mean(rows, way, ratio, more) for way in ways}
        early = mean(rows, "random", ratio, more)
        late, thin = (mean(rows, way, ratio, -1) for way in ("random", "thin"))
        found.append(
            f"At {ratio} times fewer multiply-adds the compressed networks end between "
            f"{min(ends.values()):.1f} and {max(ends.values()):.1f} %; random factors "
            f"are at {early:.1f} % after as many epochs and at {late:.1f} % after all, "
            f"a thinner dense network at {thin:.1f} %."
        )
    last = max(row["ratio"] for row in rows if row["ratio"])
    before = [mean(rows, way, last, 0) for way in ("weights", "data", "refit")]
    found.append(
        f"Without any training, at {last} times fewer: by the weights alone "
        f"{before[0]:.1f} %, on data {before[1]:.1f} %, with least squares on the "
        f"layers' outputs {before[2]:.1f} %."
    )
    return " ".join(found)


def noise(rows: list[Row]) -> str:
    """What became of the network by ranks that follow the noise."""
    share = _share(rows, "evbmf")
    text = (
        f"EVBMF keeps {share:.0%} of the parameters of this network: its weights are "
        "their random start and a little that was learned, and what is learned within "
        "some hundred steps does not stand out of the start's spectrum. On networks "
        "like this give a budget, or weaken it."
    )
    if any(row["way"] == "port" for row in rows):
        text += (
            f" The code that is widely copied for this (musco-pytorch's; pip install "
            f"--no-deps musco-pytorch) keeps {_share(rows, 'port'):.0%}."
        )
    return text


def _share(rows: list[Row], way: str) -> float:
    whole = next(row["params"] for row in rows if row["way"] == "dense")
    kept = fmean(row["params"] for row in rows if row["way"] == way)
    return float(kept / whole)


def times(rows: list[Row]) -> str:
    """Geometric means of what the chain and the dense network take over ours."""
    found = []
    for what, name in (("forward", "forward"), ("step", "a step of training")):
        own = [row["ms"] for row in rows if row["what"] == what]
        chain, dense = (
            exp(fmean(log(ms[peer] / ms["tnconv"]) for ms in own))
            for peer in ("chain", "dense")
        )
        found.append(f"{name} {chain:.2f} for the chain, {dense:.2f} for dense")
    return (
        f"Time over ours, geometric means: {'; '.join(found)}. Pictures are small, so "
        "much of all this is the price of calls."
    )
