"""Drawn convolution layers of PyTorch, with inputs, and gradients by its autograd."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

Draw = Any
Tensor = torch.Tensor

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@st.composite
def layers(draw: Draw, batches: tuple[int, ...] = (0, 1, 3)) -> tuple[Any, Tensor]:
    """A layer in float64 and an input: grouped, depthwise, dilated, padded anyhow."""
    axes = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    groups, into, out = (draw(st.integers(1, 3)) for _ in range(3))
    kernel, stride, dilation = each(1, 3), each(1, 2), each(1, 2)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    size = tuple(r + draw(st.integers(0, 3 if axes < 3 else 1)) for r in reach)
    padding: Any = draw(st.sampled_from(("same", "valid", "numbers")))
    if padding == "same":
        stride = (1,) * axes
    if padding == "numbers":
        padding = tuple(draw(st.integers(0, n - 1)) for n in size)
    kind: Any = CONVOLUTIONS[axes - 1]
    layer = kind(
        into * groups,
        out * groups,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(("zeros", "circular", "replicate"))),
        dtype=torch.float64,
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    shape = (draw(st.sampled_from(batches)), into * groups, *size)
    return layer, torch.randn(shape, generator=generator, dtype=torch.float64)


def cotangents(layer: Any, x: Tensor, *ahead: int) -> Tensor:
    """Random cotangents of the layer's output, with more axes ahead."""
    shape = layer(torch.zeros((1, *x.shape[1:]), dtype=x.dtype)).shape[1:]
    generator = torch.Generator().manual_seed(7)
    whole = (*ahead, x.shape[0], *shape)
    return torch.randn(whole, generator=generator, dtype=x.dtype)


def gradients(layer: Any, x: Tensor, cotangent: Tensor) -> list[Tensor]:
    """The gradient of every example in every parameter, one example after another."""
    parameters = tuple(layer.parameters())
    found: list[list[Tensor]] = [[] for _ in parameters]
    for n in range(x.shape[0]):
        one, g = x[n : n + 1], cotangent[n : n + 1]
        parts = torch.autograd.grad(layer(one), parameters, g)
        for own, part in zip(found, parts, strict=True):
            own.append(part)
    return [
        torch.stack(own) if own else p.new_zeros((0, *p.shape))
        for own, p in zip(found, parameters, strict=True)
    ]


def unfolded(layer: Any, x: Tensor) -> Tensor:
    """(batch, groups, positions, features): what the weight is multiplied with.

    Read off the gradients of the output positions, one after another.
    """
    columns = []
    shape = layer(x[:1]).shape[1:]
    positions = shape[1:].numel()
    for o in range(positions):
        g = torch.zeros((x.shape[0], shape[0], positions), dtype=x.dtype)
        g[:, :, o] = 1
        weight = gradients(layer, x, g.reshape(x.shape[0], *shape))[0]
        per_group = weight.reshape(x.shape[0], layer.groups, -1, *weight.shape[2:])
        columns.append(per_group[:, :, 0].flatten(start_dim=2))
    return torch.stack(columns, dim=2)
