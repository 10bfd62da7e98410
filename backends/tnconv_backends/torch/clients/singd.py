"""singd: the inputs of 2-d convolutions, as its optimizer multiplies them.

    from tnconv_backends.torch.clients import singd as tnconv_singd

    tnconv_singd.install()       # before the optimizer's first step

KFAC-reduce needs no patches then, uneven "same" padding works, and the padding mode is
that of the layer (singd pads with zeros whatever it is).
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import torch

import tnconv
from tnconv.networks.unfolded import Approximation
from tnconv_backends.torch.clients.layers import keywords
from tnconv_backends.torch.clients.patches import averaged_patches, patches
from tnconv_backends.torch.clients.seams import late, replace

Tensor = torch.Tensor


def process_input(x: Tensor, layer: Any, kfac_approx: Approximation) -> Tensor:
    """Give the unfolded input of a convolution, with ones for a bias, to be squared.

    Args:
        x: (batch, in_channels, *input_size).
        layer: a convolution of ``torch.nn``, not transposed.
        kfac_approx: "expand" or "reduce".

    Returns:
        (rows, in_channels/groups * prod(kernel_size)), with one more column for a bias,
        divided by the root of the number of rows: batch for "reduce", batch times
        output positions for "expand".

    Raises:
        ArgumentError: the input does not fit the layer.

    Source: Lin et al., *Structured inverse-free natural gradient descent*, ICML 2024.

    >>> layer = torch.nn.Conv1d(1, 4, 2)
    >>> process_input(torch.tensor([[[1.0, 2.0, 3.0]]]), layer, "reduce")
    tensor([[1.5000, 2.5000, 1.0000]])
    """
    found: Tensor = tnconv.unfolded_inputs(
        x,
        layer.kernel_size,
        approximation=kfac_approx,
        grouping="average",
        bias=layer.bias is not None,
        **keywords(layer),
    )
    rows = found.flatten(end_dim=-2)
    return rows / math.sqrt(max(1, rows.shape[0]))


def install() -> ExitStack:
    """Put these functions into singd, until the stack that is returned is closed.

    Raises:
        MissingDependencyError: singd is not installed, or is of another make.
    """
    library = late("singd.optim.utils", "singd==0.0.5")
    stack = ExitStack()
    replace(stack, library, "conv2d_process_input", process_input)
    replace(stack, library, "_extract_patches", patches)
    replace(stack, library, "_extract_averaged_patches", averaged_patches)
    return stack
