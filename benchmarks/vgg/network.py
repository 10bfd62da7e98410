"""The network, its pictures, and how every network here is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.dropout.network import digits
from tnconv_backends.torch.compress import finetune

Tensor = torch.Tensor
#: channels of the convolutions, and features of the hidden linear layer
WIDTHS = (32, 32, 64, 64, 128, 128)
#: positions of the maps that the convolutions write, on pictures of 8x8
MAPS = (64, 64, 16, 16, 4)
BATCH, FOLDS, RATE = 64, 5, 1e-3


def vgg(widths: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    """Two, two and one 3x3 convolutions with poolings between, two linear layers."""
    a, b, c, d, e, hidden = widths

    def conv(into: int, out: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(into, out, 3, padding=1), nn.ReLU()

    return nn.Sequential(
        *(*conv(1, a), *conv(a, b), nn.MaxPool2d(2)),
        *(*conv(b, c), *conv(c, d), nn.MaxPool2d(2)),
        *(*conv(d, e), nn.Flatten()),
        *(nn.Linear(4 * e, hidden), nn.ReLU(), nn.Linear(hidden, 10)),
    )


def macs(widths: tuple[int, ...] = WIDTHS) -> int:
    """Multiply-adds for one picture.

    >>> macs()
    1855744
    """
    *channels, hidden = widths
    pairs = zip((1, *channels[:-1]), channels, MAPS, strict=True)
    return sum(9 * a * b * n for a, b, n in pairs) + (4 * channels[-1] + 10) * hidden


def thinner(share: float) -> tuple[int, ...]:
    """The widths, all scaled alike, that take at most a share of the multiply-adds.

    >>> macs(thinner(0.25)) <= macs() / 4
    True
    """
    grid = (tuple(math.ceil(w * k / 128) for w in WIDTHS) for k in range(128, 0, -1))
    return next(widths for widths in grid if macs(widths) <= share * macs())


@dataclass(frozen=True)
class Split:
    """Pictures and labels to train with and to test on."""

    x: Tensor
    labels: Tensor
    test_x: Tensor
    test_labels: Tensor

    def batches(self, count: int) -> list[Tensor]:
        """Pictures to calibrate with, of those that are trained with."""
        return list(torch.split(self.x, 128))[:count]


def fold(seed: int) -> Split:
    """A fifth of the digits to test on, another one for each of five seeds."""
    x, labels = digits()
    test = torch.arange(len(x)) % FOLDS == seed % FOLDS
    return Split(x[~test], labels[~test], x[test], labels[test])


@dataclass
class Epochs:
    """Batches in a new order each time they are gone through, and what comes after."""

    data: Split
    after: Callable[[], None]
    order: torch.Generator = field(default_factory=torch.Generator)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.data.labels)
        for part in torch.split(torch.randperm(count, generator=self.order), BATCH):
            yield self.data.x[part], self.data.labels[part]
        self.after()


Judged = dict[str, list[float]]


def trained(
    model: nn.Module, data: Split, epochs: int, seed: int, rate: float = RATE
) -> Judged:
    """Train in place; accuracy in % and loss on the test set, before and after epochs.

    Factorized or not, every network is trained alike: by Adam at one rate.
    """
    found: Judged = {"accuracy": [], "loss": []}

    def judge() -> None:
        with torch.no_grad():
            scores = model(data.test_x)
        right = (scores.argmax(1) == data.test_labels).float().mean()
        found["accuracy"].append(round(100 * float(right), 2))
        found["loss"].append(round(float(cross_entropy(scores, data.test_labels)), 4))

    judge()
    order = torch.Generator().manual_seed(seed)
    finetune(model, Epochs(data, judge, order), loss, lr=rate, epochs=epochs, clip=None)
    return found


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The mean cross entropy."""
    x, labels = batch
    return cross_entropy(model(x), labels)
