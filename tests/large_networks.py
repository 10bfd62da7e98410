"""Networks beyond the exact search, and what they are by another library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tnconv
from tnconv.network import Network

Array = NDArray[Any]


@dataclass(frozen=True)
class Chain:
    """Convolution layers in a row, each a Tucker-2 kernel of given ranks, or dense."""

    channels: Sequence[int]
    size: int
    batch: int = 2
    rank: int = 0
    kernel: int = 3

    @property
    def network(self) -> Network:
        """One network of all layers."""
        operands, patterns = ["n c0 a0 b0"], []
        for j in range(len(self.channels) - 1):
            dense = f"c{j + 1} c{j} s{j} t{j}"
            factors = f"c{j + 1} q{j}, q{j} r{j} s{j} t{j}, r{j} c{j}"
            operands.append(factors if self.rank else dense)
            patterns.append(f"a{j} ~ a{j + 1} + s{j}, b{j} ~ b{j + 1} + t{j}")
        last = len(self.channels) - 1
        text = ", ".join([*operands, *patterns])
        shapes = [x.shape for x in self.arrays(0)]
        return tnconv.parse(f"{text} -> n c{last} a{last} b{last}", shapes=shapes)

    def arrays(self, seed: int) -> list[Array]:
        """Small integers: sums of them are exact."""
        rng, k = np.random.default_rng(seed), self.kernel
        shapes: list[tuple[int, ...]] = [
            (self.batch, self.channels[0], self.size, self.size)
        ]
        for c, d in zip(self.channels, self.channels[1:], strict=False):
            factors = [(d, self.rank), (self.rank, self.rank, k, k), (self.rank, c)]
            shapes += factors if self.rank else [(d, c, k, k)]
        return [rng.integers(-1, 2, shape).astype(float) for shape in shapes]

    def by_torch(self, arrays: Sequence[Array]) -> Array:
        """The layers one after another by PyTorch's own convolution."""
        import torch

        x, *rest = map(torch.from_numpy, arrays)
        while rest:
            if self.rank:
                d, core, c = rest[:3]
                w = torch.einsum("dq,qrst,rc->dcst", d, core, c)
            else:
                w = rest[0]
            x = torch.nn.functional.conv2d(x, w)
            rest = rest[3 if self.rank else 1 :]
        return np.asarray(x)


FIVE_TUCKER = Chain((3, 6, 6, 8, 8, 8), 14, rank=3)
NINE_LAYERS = Chain((2, 3, 3, 4, 4, 4, 5, 5, 5, 5), 22)
FIFTEEN_LAYERS = Chain((2,) * 16, 34, 1)
