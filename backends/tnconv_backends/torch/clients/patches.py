"""What singd and curvlinops multiply: unfolded inputs, the mean over groups taken.

Both libraries know 2-d convolutions of one factor for all groups; these functions have
their signatures and their result, for any number of spatial axes.
"""

from __future__ import annotations

from typing import Any

import torch

import tnconv
from tnconv.networks.unfolded import Approximation

Tensor = torch.Tensor


def patches(
    x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """Extract patches, averaged over groups of channels.

    Args:
        x: (batch, in_channels, *input_size).
        kernel_size, stride, padding, dilation, groups: as for :func:`tnconv.conv`;
            "same" may be uneven.

    Returns:
        (batch, positions, in_channels/groups * prod(kernel_size)).

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for
    convolution layers*, ICML 2016.

    >>> patches(torch.tensor([[[1.0, 2.0, 3.0]]]), 2, 1, 0, 1, 1)
    tensor([[[1., 2.],
             [2., 3.]]])
    """
    return _unfolded("expand", x, kernel_size, stride, padding, dilation, groups)


def averaged_patches(
    x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """Extract the mean of all patches of an example, without extracting any.

    Args:
        x: (batch, in_channels, *input_size).
        kernel_size, stride, padding, dilation, groups: as for :func:`patches`.

    Returns:
        (batch, in_channels/groups * prod(kernel_size)).

    Raises:
        ArgumentError: sizes or hyper-parameters do not fit.

    Source: Eschenhagen et al., *Kronecker-factored approximate curvature for modern
    neural network architectures*, NeurIPS 2023.

    >>> averaged_patches(torch.tensor([[[1.0, 2.0, 3.0]]]), 2, 1, 0, 1, 1)
    tensor([[1.5000, 2.5000]])
    """
    return _unfolded("reduce", x, kernel_size, stride, padding, dilation, groups)


def _unfolded(
    approximation: Approximation,
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    found: Tensor = tnconv.unfolded_inputs(
        x,
        kernel_size,
        approximation=approximation,
        grouping="average",
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return found.squeeze(1)
