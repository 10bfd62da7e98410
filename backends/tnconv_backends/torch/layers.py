"""PyTorch's layers as tnconv sees them: one call, its input and hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from tnconv.functions.curvature import kfac_input_factor, kfac_transpose_input_factor

Tensor = torch.Tensor
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def supported(module: nn.Module) -> bool:
    """Whether a module is a layer that :class:`Call` knows."""
    return isinstance(module, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear))


def wide(tensor: Tensor) -> Tensor:
    """Half types as float32, anything else as it is."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half else tensor


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of a layer: its input and the shape of what it gave.

    A linear layer is a convolution with a kernel of one position; its positions are all
    axes between the first and the last.
    """

    name: str
    module: Any
    x: Tensor
    output_shape: tuple[int, ...]

    @property
    def groups(self) -> int:
        """The number of groups."""
        return int(getattr(self.module, "groups", 1))

    @property
    def batched(self) -> bool:
        """Whether there is a batch axis."""
        if isinstance(self.module, nn.Linear):
            return self.x.ndim > 1
        return self.x.ndim == len(self.module.kernel_size) + 2

    @property
    def examples(self) -> int:
        """The size of the batch."""
        return self.x.shape[0] if self.batched else 1

    def channels_first(self, tensor: Tensor) -> Tensor:
        """An input or output of the layer as ([batch,] channels, *positions)."""
        if not isinstance(self.module, nn.Linear):
            return tensor
        if tensor.ndim == 1:
            return tensor[:, None]
        positions = prod(tensor.shape[1:-1])
        return tensor.reshape(len(tensor), positions, tensor.shape[-1]).mT

    def input_factor(self, **how: Any) -> Tensor:
        """The layer's Kronecker factor of the input, with conventions as keywords."""
        run = kfac_input_factor
        if isinstance(self.module, TRANSPOSED):
            run = kfac_transpose_input_factor  # type: ignore[assignment]
        x = self.channels_first(wide(self.x))
        found: Tensor = run(x, **self.hyper(), **how)
        return found

    def hyper(self) -> dict[str, Any]:
        """Kernel size and hyper-parameters, as keywords."""
        if isinstance(self.module, nn.Linear):
            return {"kernel_size": (1,)}
        names = ("kernel_size", "stride", "padding", "dilation", "groups")
        known = {name: getattr(self.module, name) for name in names}
        if isinstance(self.module, TRANSPOSED):
            return known | {"output_padding": self._output_padding()}
        return known | {"padding_mode": self.module.padding_mode}

    def _output_padding(self) -> tuple[int, ...]:
        """What this call had: a call may ask for an output size."""
        layer, axes = self.module, len(self.module.kernel_size)
        return tuple(
            out - ((size - 1) * s - 2 * p + d * (k - 1) + 1)
            for out, size, s, p, d, k in zip(
                self.output_shape[-axes:],
                self.x.shape[-axes:],
                *(layer.stride, layer.padding, layer.dilation, layer.kernel_size),
                strict=True,
            )
        )
