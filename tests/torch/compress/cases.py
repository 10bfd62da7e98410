"""Small factorized layers of every kind and format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from tnconv.factor import FORMATS
from tnconv_backends.torch import compress
from tnconv_backends.torch.compress import FactorizedModule

Tensor = torch.Tensor
TR = "ConvTranspose"


@dataclass(frozen=True)
class Case:
    """A layer of PyTorch by name, and its input."""

    name: str
    sizes: tuple[Any, ...]
    x: tuple[int, ...]
    hyper: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.hyper}"

    def module(self, format: str, ranks: Any = 2, **more: Any) -> FactorizedModule:
        """The factorized layer, in float64, the same for each call."""
        torch.manual_seed(0)
        cls = getattr(compress, f"Factorized{self.name}")
        given = {"format": format, "ranks": ranks, "dtype": torch.float64} | more
        found: FactorizedModule = cls(*self.sizes, **given, **self.hyper)
        return found

    def input(self) -> Tensor:
        """Random, the same for each call."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.x, generator=generator, dtype=torch.float64)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that the kernel has axes for."""
        few = self.name == "Linear" or "1d" in self.name
        return tuple(f for f in FORMATS if not (few and f == "svd-spatial"))


CASES = (
    Case("Conv1d", (4, 6, 3), (2, 4, 7)),
    Case("Conv1d", (4, 6, 3), (4, 7), {"padding": 1}),
    Case(
        "Conv1d",
        (4, 6, 5),
        (2, 4, 9),
        {"stride": 2, "padding": 3, "dilation": 2, "groups": 2},
    ),
    Case(
        "Conv2d",
        (4, 6, (3, 2)),
        (2, 4, 6, 5),
        {"stride": (2, 1), "padding": (1, 2), "padding_mode": "circular"},
    ),
    Case("Conv2d", (4, 6, 3), (2, 4, 5, 6), {"padding": "same", "groups": 2}),
    Case("Conv2d", (4, 6, 3), (1, 4, 6, 7), {"stride": (1, 3), "padding": (0, 2)}),
    Case(
        "Conv3d",
        (3, 4, (3, 2, 2)),
        (1, 3, 5, 4, 4),
        {"stride": (2, 1, 2), "padding": 1, "dilation": (1, 2, 1)},
    ),
    Case(
        f"{TR}1d",
        (4, 6, 3),
        (2, 4, 5),
        {"stride": 2, "padding": 1, "output_padding": 1},
    ),
    Case(
        f"{TR}2d",
        (4, 6, (3, 2)),
        (2, 4, 4, 3),
        {
            "stride": (2, 3),
            "padding": 1,
            "output_padding": (0, 1),
            "groups": 2,
            "dilation": (2, 1),
        },
    ),
    Case(f"{TR}3d", (2, 3, 2), (1, 2, 3, 2, 3), {"stride": (1, 2, 1)}),
    Case("Linear", (5, 7), (2, 3, 5)),
    Case("Linear", (5, 7), (5,), {"bias": False}),
)
