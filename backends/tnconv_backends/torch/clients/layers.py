"""What a PyTorch layer says about its convolution, as tnconv's keywords."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import tnconv
from tnconv.networks.geometry import Hyper, TransposedHyper

Tensor = torch.Tensor

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def keywords(layer: Any) -> Hyper:
    """The hyper-parameters of a convolution, its padding mode among them."""
    return {
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "groups": layer.groups,
        "padding_mode": layer.padding_mode,
    }


def transposed_keywords(layer: Any, x: Tensor, cotangent: Tensor) -> TransposedHyper:
    """The hyper-parameters of a transposed convolution.

    The output padding is read off the arrays: a caller may have chosen the output size
    when the layer was called.
    """
    least = [
        (i - 1) * s - 2 * p + d * (k - 1) + 1
        for i, s, p, d, k in zip(
            x.shape[2:],
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.kernel_size,
            strict=True,
        )
    ]
    sizes = zip(cotangent.shape[2:], least, strict=True)
    return {
        "stride": layer.stride,
        "padding": layer.padding,
        "output_padding": tuple(size - known for size, known in sizes),
        "dilation": layer.dilation,
        "groups": layer.groups,
    }


def weight_squares(layer: Any, x: Tensor, cotangent: Tensor) -> Tensor:
    """The squared norms of the weight's gradients, of any convolution layer."""
    if layer.transposed:
        found: Tensor = tnconv.conv_transpose_weight_vjp_squared_norm(
            x,
            cotangent,
            layer.kernel_size,
            **transposed_keywords(layer, x, cotangent),
        )
        return found
    found = tnconv.conv_weight_vjp_squared_norm(
        x, cotangent, layer.kernel_size, **keywords(layer)
    )
    return found


def weight_gradients(layer: Any, x: Tensor, cotangent: Tensor) -> Tensor:
    """The weight's gradient for each example, of any convolution layer."""
    if layer.transposed:
        found: Tensor = tnconv.conv_transpose_weight_vjp(
            x,
            cotangent,
            layer.kernel_size,
            per_example=True,
            **transposed_keywords(layer, x, cotangent),
        )
        return found
    found = tnconv.conv_weight_vjp(
        x, cotangent, layer.kernel_size, per_example=True, **keywords(layer)
    )
    return found
