"""Small layers of every kind, and PyTorch's own way of computing each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional as F

import tnconv

Tensor = torch.Tensor
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Layer:
    """Shapes and hyper-parameters of a convolution or a transposed one."""

    name: str
    x: tuple[int, ...]
    weight: tuple[int, ...]
    hyper: dict[str, Any] = field(default_factory=dict)
    transposed: bool = False
    pairs: Pairs | None = None

    @property
    def axes(self) -> int:
        return len(self.weight) - 2

    @property
    def prefix(self) -> str:
        return "conv_transpose" if self.transposed else "conv"

    @property
    def keywords(self) -> dict[str, Any]:
        """The keywords of tnconv's functions."""
        return (
            self.hyper if self.pairs is None else self.hyper | {"padding": self.pairs}
        )

    @property
    def channels(self) -> int:
        """Channels of the result."""
        groups = int(self.hyper.get("groups", 1))
        return self.weight[1] * groups if self.transposed else self.weight[0]

    def ours(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer by tnconv."""
        found: Tensor = getattr(tnconv, self.prefix)(x, weight, bias, **self.keywords)
        return found

    def peer(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer by PyTorch."""
        unbatched = x.ndim == self.axes + 1
        whole = x[None] if unbatched else x
        run = self._transposed if self.transposed else self._forward
        found = run(whole, weight, bias)
        return found[0] if unbatched else found

    def _forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        known = dict(self.hyper)
        mode = known.pop("padding_mode", "zeros")
        padding = known.pop("padding", 0)
        pairs = self.pairs or ((padding, padding),) * self.axes
        ends = [end for pair in reversed(pairs) for end in pair]
        padded = F.pad(x, ends, mode="constant" if mode == "zeros" else mode)
        run = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        return run(padded, weight, bias, **known)

    def _transposed(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        run: Any = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
        if self.pairs is None:
            return run[self.axes - 1](x, weight, bias, **self.hyper)  # type: ignore[no-any-return]
        whole = run[self.axes - 1](x, weight, bias, **self.hyper)
        ends = [-end for pair in reversed(self.pairs) for end in pair]
        return F.pad(whole, ends)

    def tensors(self, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, ...]:
        """Random input, weight and bias."""
        generator = torch.Generator().manual_seed(seed)
        shapes = (self.x, self.weight, (self.channels,))
        wide = dtype if dtype.is_complex else torch.float64
        return tuple(
            torch.randn(shape, generator=generator, dtype=wide).to(dtype)
            for shape in shapes
        )


LAYERS = (
    Layer("plain", (2, 3, 6), (4, 3, 3)),
    Layer("pointwise", (2, 3, 4, 3), (4, 3, 1, 1)),
    Layer("stride", (2, 3, 7), (2, 3, 3), {"stride": 2}),
    Layer("remainder", (1, 2, 8, 5), (2, 2, 3, 2), {"stride": 3, "padding": 1}),
    Layer("patches", (2, 2, 6, 4), (3, 2, 2, 2), {"stride": 2}),
    Layer("dilation", (2, 2, 9), (3, 2, 3), {"dilation": 3, "padding": 2}),
    Layer("groups", (2, 4, 5), (6, 2, 3), {"groups": 2, "padding": 1}),
    Layer("depthwise", (2, 3, 5, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    Layer("multiplier", (1, 2, 6), (4, 1, 3), {"groups": 2, "stride": 2}),
    Layer("asymmetric", (2, 2, 5), (3, 2, 3), pairs=((2, 0),)),
    Layer("crop", (2, 2, 6), (3, 2, 3), pairs=((-1, 2),)),
    Layer("reflect", (2, 2, 5), (3, 2, 3), {"padding": 2, "padding_mode": "reflect"}),
    Layer(
        "replicate",
        (1, 2, 4, 3),
        (2, 2, 3, 2),
        {"padding": 1, "padding_mode": "replicate"},
    ),
    Layer("circular", (2, 2, 5), (3, 2, 3), {"padding": 2, "padding_mode": "circular"}),
    Layer(
        "lopsided", (2, 2, 5), (3, 2, 3), {"padding_mode": "reflect"}, False, ((0, 2),)
    ),
    Layer("unbatched", (3, 6), (4, 3, 3), {"padding": 1}),
    Layer("volume", (1, 2, 4, 3, 3), (2, 2, 2, 2, 3), {"padding": 1}),
    Layer("transposed", (2, 3, 4), (3, 2, 3), transposed=True),
    Layer(
        "transposed stride",
        (2, 2, 4),
        (2, 3, 3),
        {"stride": 3, "padding": 1, "output_padding": 1},
        True,
    ),
    Layer("transposed groups", (2, 4, 4), (4, 2, 3), {"groups": 2, "stride": 2}, True),
    Layer("transposed dilation", (2, 2, 4), (2, 2, 3), {"dilation": 2}, True),
    Layer("transposed patches", (1, 3, 3, 2), (3, 2, 2, 2), {"stride": 2}, True),
    Layer("transposed cut", (2, 2, 4), (2, 3, 3), {"stride": 2}, True, ((2, 1),)),
    Layer("transposed unbatched", (2, 5), (2, 2, 3), {"padding": 1}, True),
)
