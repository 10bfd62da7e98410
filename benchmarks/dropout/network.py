"""A small convolution network for scikit-learn's digits, and ways to sample it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tnconv_backends.torch.modules import SampledConv2d

Tensor = torch.Tensor
#: examples of a step, and of the test set
BATCH, TEST = 128, 360
#: ways to sample by name and share: the labels of which shares are kept
WAYS: dict[tuple[str, float], dict[str, float]] = {
    ("exact", 1): {},
    ("spatial", 0.5): {"i0": 0.5},
    ("spatial", 0.25): {"i0": 0.5, "i1": 0.5},
    ("channel", 0.5): {"c": 0.5},
    ("channel", 0.25): {"c": 0.25},
    ("batch", 0.5): {"n": 0.5},
    ("batch", 0.25): {"n": 0.25},
}


class MaskedReLU(torch.autograd.Function):
    """A ReLU that keeps a mask: PyTorch's keeps its result, the next layer's input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The positive part."""
        mask = x > 0
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        """What came from positive inputs."""
        (mask,) = ctx.saved_tensors
        result: Tensor = cotangent * mask
        return result


class Digits(nn.Module):
    """Three convolutions; the last two have sampled weight gradients.

    Scores are a linear map of all that the last one gives, or of its mean over space.
    """

    def __init__(self, keep: Mapping[str, float], mean: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.first = nn.Conv2d(1, 32, 3, padding=1)
        self.second = SampledConv2d(32, 64, 3, padding=1, keep=keep)
        self.third = SampledConv2d(64, 64, 3, padding=1, keep=keep)
        self.last = nn.Linear(64 if mean else 64 * 8 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the ten digits."""
        for layer in (self.first, self.second, self.third):
            x = MaskedReLU.apply(layer(x))  # type: ignore[no-untyped-call]
        scores: Tensor = self.last(x.mean((2, 3)) if self.mean else x.flatten(1))
        return scores


def digits() -> tuple[Tensor, Tensor]:
    """The 1797 pictures of scikit-learn, (1797, 1, 8, 8) in [0, 1], and labels."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.as_tensor(pictures, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return x[order], torch.as_tensor(labels)[order]


def loss(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """The mean cross entropy."""
    return F.cross_entropy(model(x), labels)
