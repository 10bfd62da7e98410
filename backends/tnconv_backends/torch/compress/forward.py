"""The networks that factorized layers run, one for each input shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from tnconv.errors import ArgumentError
from tnconv.factor import KernelShape
from tnconv.factor.workload import layer_network
from tnconv.network import Network

Tensor = torch.Tensor
Hyper = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of layer: its operation, and what PyTorch calls its arguments."""

    operation: str
    sizes: tuple[str, ...]
    hyper: tuple[str, ...] = ()

    @property
    def transposed(self) -> bool:
        """Whether it is a transposed convolution."""
        return self.operation == "conv_transpose"

    def rows(self, x: Tensor, kernel: Network) -> Tensor:
        """The input as the network reads it: a linear layer's as a matrix."""
        if self.operation != "linear":
            return x
        if x.ndim == 0 or x.shape[-1] != kernel.shape[1]:
            raise ArgumentError(
                f"factorized linear layer: the input has shape {tuple(x.shape)}, the "
                f"weight {kernel.shape}; the last axis has {kernel.shape[1]} features"
            )
        return x.reshape(-1, x.shape[-1])

    def shaped(self, y: Tensor, x: Tensor) -> Tensor:
        """A result with the axes of the input."""
        if self.operation != "linear":
            return y
        return y.reshape(*x.shape[:-1], y.shape[-1])


_CHANNELS = ("in_channels", "out_channels", "kernel_size")
_SHARED = ("stride", "padding", "dilation", "groups")
CONV = Kind("conv", _CHANNELS, (*_SHARED, "padding_mode"))
TRANSPOSED = Kind("conv_transpose", _CHANNELS, (*_SHARED, "output_padding"))
LINEAR = Kind("linear", ("in_features", "out_features"))


@lru_cache(maxsize=4096)
def network_of(
    x_shape: tuple[int, ...], kernel: KernelShape, factors: Network, hyper: Hyper
) -> Network:
    """A layer on inputs of one shape: its network with the kernel's spliced in."""
    return layer_network(x_shape, kernel, factors, dict(hyper))


def output_padding(
    hyper: dict[str, Any], kernel: Network, x: Tensor, output_size: Sequence[int]
) -> tuple[int, ...]:
    """What a transposed layer adds at the high end to give an output size.

    Raises ArgumentError for sizes that the layer cannot give.
    """
    axes = len(kernel.shape) - 2
    wanted = tuple(output_size)[-axes:]
    terms = zip(
        *(x.shape[-axes:], hyper["stride"], hyper["padding"]),
        *(hyper["dilation"], kernel.shape[2:]),
        strict=True,
    )
    least = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in terms)
    most = tuple(n + s - 1 for n, s in zip(least, hyper["stride"], strict=True))
    fits = len(wanted) == axes and all(
        low <= n <= high for low, n, high in zip(least, wanted, most, strict=False)
    )
    if not fits:
        raise ArgumentError(
            f"factorized transposed convolution: output_size is {tuple(output_size)}; "
            f"for an input of shape {tuple(x.shape)} it is from {least} to {most}"
        )
    return tuple(n - low for n, low in zip(wanted, least, strict=True))
