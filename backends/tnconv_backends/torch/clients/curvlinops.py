"""curvlinops: the input covariances of 2-d convolutions, without patches.

    from tnconv_backends.torch.clients import curvlinops as tnconv_curvlinops

    tnconv_curvlinops.install()  # before a KFACLinearOperator is computed

The Kronecker factor of the input is one contraction, so the unfolded input is not held;
uneven "same" padding works, and the padding mode is that of the layer. EKFAC's
eigenvalues take patches by name only: there, other padding modes than zeros remain what
they are in curvlinops.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

import tnconv
from tnconv.networks.unfolded import Approximation
from tnconv_backends.torch.clients.layers import keywords
from tnconv_backends.torch.clients.patches import averaged_patches, patches
from tnconv_backends.torch.clients.seams import late, replace

Tensor = torch.Tensor
Hook = Callable[[Any, nn.Module, tuple[Tensor, ...], str], None]


def input_covariance(
    layer: Any, x: Tensor, approximation: Approximation, bias: bool, data: int
) -> Tensor:
    """Give the share of one batch in a layer's input covariance.

    Args:
        layer: a convolution of ``torch.nn``, not transposed.
        x: (batch, in_channels, *input_size).
        approximation: "expand" or "reduce".
        bias: whether a column of ones is appended to the unfolded input.
        data: the number of examples in all batches, which the sum is divided by.

    Returns:
        (features, features), features being in_channels/groups * prod(kernel_size) and
        one for the bias; divided by ``data``, and by the number of output positions for
        "expand".

    Raises:
        ArgumentError: the input does not fit the layer.

    Source: Eschenhagen et al., *Kronecker-factored approximate curvature for modern
    neural network architectures*, NeurIPS 2023.

    >>> layer = torch.nn.Conv1d(1, 4, 2)
    >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> input_covariance(layer, x, "reduce", bias=False, data=1)
    tensor([[2.2500, 3.7500],
            [3.7500, 6.2500]])
    """
    factor: Tensor = tnconv.kfac_input_factor(
        x,
        layer.kernel_size,
        approximation=approximation,
        normalization="both",
        grouping="average",
        bias=bias,
        **keywords(layer),
    )
    if x.shape[0] == data:
        return factor[0]
    return factor[0].mul_(x.shape[0] / data)


def install() -> ExitStack:
    """Put these functions into curvlinops, until the stack that is returned is closed.

    Raises:
        MissingDependencyError: curvlinops is not installed, or is of another make.
    """
    requirement = "curvlinops-for-pytorch==3.0.1"
    kfac = late("curvlinops.kfac", requirement)
    ekfac = late("curvlinops.ekfac", requirement)
    operator = kfac.KFACLinearOperator
    name = "_hook_accumulate_input_covariance"
    stack = ExitStack()
    replace(stack, kfac, "extract_patches", patches)
    replace(stack, kfac, "extract_averaged_patches", averaged_patches)
    replace(stack, ekfac, "extract_patches", patches)
    replace(stack, operator, name, _hook(vars(operator)[name]))
    return stack


def _hook(theirs: Hook) -> Hook:
    """Their hook, but for convolutions with one input."""

    def hook(
        operator: Any, module: nn.Module, inputs: tuple[Tensor, ...], module_name: str
    ) -> None:
        if not isinstance(module, nn.Conv2d) or len(inputs) != 1:
            theirs(operator, module, inputs, module_name)
            return
        names = operator._mapping[module_name].keys()
        joint = {"weight", "bias"} <= names and not operator._separate_weight_and_bias
        covariance = input_covariance(
            module,
            inputs[0].detach(),
            # theirs is an enumeration of texts, or a text
            "reduce" if operator._kfac_approx == "reduce" else "expand",
            joint,
            operator._N_data,
        )
        operator._input_covariances = operator._set_or_add_(
            operator._input_covariances, module_name, covariance
        )

    return hook
