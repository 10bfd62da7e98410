"""opacus: gradients for each example, and their norms without the gradients.

    from tnconv_backends.torch.clients import opacus as tnconv_opacus

    tnconv_opacus.install()      # before the PrivacyEngine makes the model private

Grouped and depthwise layers are then computed group by group (opacus multiplies all
pairs of groups and keeps the diagonal ones), every padding mode is that of the layer,
and ghost clipping has norm samplers for convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

import tnconv
from tnconv_backends.torch.clients.layers import (
    CONVOLUTIONS,
    TRANSPOSED,
    weight_gradients,
    weight_squares,
)
from tnconv_backends.torch.clients.seams import late, restore

Tensor = torch.Tensor


def grad_sample(
    layer: Any, activations: Sequence[Tensor], backprops: Tensor
) -> dict[Any, Tensor]:
    """Give the gradient of every example in the parameters of a convolution.

    Args:
        layer: a convolution of ``torch.nn``, transposed or not, with 1 to 3 axes.
        activations: its input (batch, in_channels, *input_size), as the only entry; it
            is cast to the dtype of ``backprops``, which autocast may have chosen.
        backprops: the cotangents (batch, out_channels, *output_size).

    Returns:
        For every parameter that requires a gradient, (batch, *parameter.shape).

    Raises:
        ArgumentError: the arrays do not fit the layer.

    Source: Rochette, Manoel and Tramel, *Efficient per-example gradient computations in
    convolutional neural networks*, 2019, for the quantity.

    >>> layer = torch.nn.Conv1d(2, 2, 3, groups=2)
    >>> found = grad_sample(layer, [torch.ones(5, 2, 9)], torch.ones(5, 2, 7))
    >>> [tuple(found[p].shape) for p in layer.parameters()]
    [(5, 2, 1, 3), (5, 2)]
    """
    x = activations[0].to(backprops.dtype)
    found = {}
    if layer.weight.requires_grad:
        found[layer.weight] = weight_gradients(layer, x, backprops)
    if layer.bias is not None and layer.bias.requires_grad:
        found[layer.bias] = tnconv.conv_bias_vjp(backprops, per_example=True)
    return found


def norm_sample(
    layer: Any, activations: Sequence[Tensor], backprops: Tensor
) -> dict[Any, Tensor]:
    """Give the norm of every example's gradient, which is not formed if that is slower.

    Squares are summed in float32 where the arrays are narrower.

    Args:
        layer: a convolution of ``torch.nn``, transposed or not, with 1 to 3 axes.
        activations: its input (batch, in_channels, *input_size), as the only entry; it
            is cast to the dtype of the sums.
        backprops: the cotangents (batch, out_channels, *output_size).

    Returns:
        For every parameter that requires a gradient, (batch,).

    Raises:
        ArgumentError: the arrays do not fit the layer.

    Source: Bu, Mao and Xu, *Scalable and efficient training of large convolutional
    neural networks with differential privacy*, NeurIPS 2022, for the quantity.

    >>> layer = torch.nn.Conv1d(1, 1, 2, bias=False)
    >>> x = torch.tensor([[[1.0, 2.0, 2.0]]])
    >>> norm_sample(layer, [x], torch.ones(1, 1, 2))[layer.weight]
    tensor([5.])
    """
    wide = torch.promote_types(backprops.dtype, torch.float32)
    x, cotangent = activations[0].to(wide), backprops.to(wide)
    squares = {}
    if layer.weight.requires_grad:
        squares[layer.weight] = weight_squares(layer, x, cotangent)
    if layer.bias is not None and layer.bias.requires_grad:
        gradients = tnconv.conv_bias_vjp(cotangent, per_example=True)
        squares[layer.bias] = gradients.square().sum(1)
    # rounding may leave a square of almost nothing below zero
    return {
        parameter: square.clamp(min=0).sqrt().to(backprops.dtype)
        for parameter, square in squares.items()
    }


def install() -> ExitStack:
    """Register both with opacus, until the stack that is returned is closed.

    Raises:
        MissingDependencyError: opacus is not installed.
    """
    library = late("opacus.grad_sample", "opacus>=1.5")
    plain, clipping = (
        library.GradSampleModule,
        library.GradSampleModuleFastGradientClipping,
    )
    stack = ExitStack()
    graded = (*CONVOLUTIONS, *TRANSPOSED)
    restore(stack, plain.GRAD_SAMPLERS, graded)
    restore(stack, clipping.GRAD_SAMPLERS, graded)
    restore(stack, clipping.NORM_SAMPLERS, graded)
    library.register_grad_sampler(graded)(grad_sample)
    library.register_norm_sampler(graded)(norm_sample)
    return stack
