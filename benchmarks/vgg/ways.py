"""The ways to make the trained network smaller, and what they are held against."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.vgg.network import Split, macs, thinner, vgg
from benchmarks.vgg.port import ported_ranks
from tnconv.factor import EVBMF, Fraction
from tnconv_backends.torch import compress as tc

RATIOS = (2, 4, 8)
#: ways that keep a budget: name -> the formats to choose from
BUDGETED: dict[str, dict[str, Any]] = {
    "tucker2": {"formats": "tucker2"},
    "cp": {"formats": "cp"},
    "weights": {},
    "data": {},
}
CALIBRATED = ("data",)
#: networks that know nothing, trained for as long as all else together
CONTROLS = ("random", "thin")
#: ways whose ranks come from the noise in the weights
NOISE = ("evbmf", "weakened", "port")
#: batches of calibration
BATCHES = 4


@dataclass(frozen=True)
class Small:
    """A network, its parameters, and its multiply-adds for one picture."""

    model: nn.Module
    params: int
    macs: int

    @staticmethod
    def compressed(dense: nn.Module, split: Split, **how: Any) -> Small:
        """What ``compress`` makes of a network, however slow it is."""
        given: dict[str, Any] = {"example": split.batches(1)[0], "slower": True} | how
        model, report = tc.compress(dense, **given)
        found = report.total("macs")
        assert found is not None
        return Small(model, report.parameters[1], int(found[1]))

    @staticmethod
    def dense(widths: tuple[int, ...]) -> Small:
        """A dense network that is not trained."""
        model = vgg(widths)
        return Small(model, sum(p.numel() for p in model.parameters()), macs(widths))

    @property
    def cost(self) -> dict[str, int]:
        """Its figures, for a row."""
        return {"params": self.params, "macs": self.macs}


def budgeted(dense: nn.Module, data: Split, way: str, ratio: int) -> Small:
    """A share of the multiply-adds, spent in one of the ways."""
    how = BUDGETED[way]
    if way in CALIBRATED:
        how = how | {"data": data.batches(BATCHES)}
    return Small.compressed(dense, data, budget=Fraction(1 / ratio, of="macs"), **how)


def refitted(small: Small, dense: nn.Module, data: Split) -> Small:
    """The same layers, fitted one after the other to what the dense ones give."""
    model = copy.deepcopy(small.model)
    tc.refit(model, dense, data.batches(BATCHES))
    return Small(model, small.params, small.macs)


def control(way: str, like: Small, ratio: int, seed: int) -> Small:
    """Factors as in ``like`` drawn at random, or fewer channels of a dense network."""
    torch.manual_seed(seed)
    if way == "thin":
        return Small.dense(thinner(1 / ratio))
    model = copy.deepcopy(like.model)
    for module in model.modules():
        reset: Any = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    return Small(model, like.params, like.macs)


def by_noise(dense: nn.Module, data: Split, way: str) -> Small | None:
    """Tucker-2 with the ranks of EVBMF; None where the other code is not installed."""
    ranks: dict[str, Any] = {"evbmf": EVBMF(), "weakened": EVBMF(weaken=0.5)}
    rank = ranks[way] if way in ranks else ported_ranks(dense)
    if rank is None:
        return None
    return Small.compressed(dense, data, rank=rank, formats="tucker2")
