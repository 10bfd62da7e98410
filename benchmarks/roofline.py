"""What a case takes at least, by the rates that this machine was measured to have.

A plan does so much arithmetic, and whoever does the case reads its arrays and writes
its result; neither goes faster than the best large calls of the library do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from benchmarks.cases import Case
from benchmarks.measure import clocked

#: rounds of each call; the fastest counts
ROUNDS = 7
#: rows, inner and columns of the matrix product; batch, channels and side of the
#: convolution; elements of the copy, more than caches hold
PRODUCT, MAPS, COPIED = 1536, (8, 128, 56), 1 << 25


@dataclass(frozen=True, slots=True)
class Rates:
    """Flops per second of a matrix product and of the library's convolution (0: it has
    none), and bytes per second that a copy reads and writes."""

    product: float
    convolution: float
    copy: float

    def arithmetic(self, flops: float) -> float:
        """Seconds of so many flops."""
        return flops / max(self.product, self.convolution)

    def memory(self, case: Case) -> float:
        """Seconds to read the arrays of a case and to write its result."""
        return (case.given_bytes + case.result_bytes) / self.copy

    def record(self) -> dict[str, float]:
        """All of it, to be kept."""
        return asdict(self)


def rates(backend: str) -> Rates:
    """The rates of a backend's library, measured now, in a few seconds."""
    return (_torch if backend == "torch" else _numpy)()


def _torch() -> Rates:
    import torch

    square = torch.ones(PRODUCT, PRODUCT)
    batch, channels, side = MAPS
    maps, weight = torch.ones(batch, channels, side, side), torch.ones(channels, 9)
    weight = weight[:, None, :].expand(channels, channels, 9)
    weight = weight.reshape(channels, channels, 3, 3)
    long, other = torch.ones(COPIED), torch.empty(COPIED)
    conv: Callable[..., Any] = torch.nn.functional.conv2d
    return Rates(
        2 * PRODUCT**3 / _fastest(lambda: torch.mm(square, square)),
        2 * 9 * batch * channels**2 * side**2
        / _fastest(lambda: conv(maps, weight, padding=1)),
        8 * COPIED / _fastest(lambda: other.copy_(long)),
    )  # fmt: skip


def _numpy() -> Rates:
    import numpy as np

    square = np.ones((PRODUCT, PRODUCT), np.float32)
    long, other = np.ones(COPIED, np.float32), np.empty(COPIED, np.float32)
    return Rates(
        2 * PRODUCT**3 / _fastest(lambda: square @ square),
        0.0,
        8 * COPIED / _fastest(lambda: np.copyto(other, long)),
    )


def _fastest(call: Callable[[], Any]) -> float:
    return min((clocked(call) for _ in range(ROUNDS)), default=inf)
