"""Layers that train by sampled gradients, in the place of PyTorch's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

import tnconv
from tnconv_backends.torch.autocast import outside_autocast
from tnconv_backends.torch.sampled import sampled_conv

Tensor = torch.Tensor
#: up to where seeds are drawn
SEEDS = 2**62


class _Sampled(nn.Module):
    """What the layers share: the shares, and where seeds come from."""

    def __init__(
        self,
        *sizes: Any,
        keep: Mapping[str, float],
        input_keep: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
        **hyper: Any,
    ) -> None:
        super().__init__(*sizes, **hyper)
        self.keep = dict(keep)
        self.input_keep = dict(input_keep or {})
        self.generator = generator

    def extra_repr(self) -> str:
        """PyTorch's text, and the shares."""
        more = f", input_keep={self.input_keep}" if self.input_keep else ""
        return f"{super().extra_repr()}, keep={self.keep}{more}"

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Sampled while it trains; exact in eval mode, and where nothing is kept."""
        return outside_autocast(self._run, x, weight, bias)

    def _run(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        layer: Any = self
        hyper = {
            name: getattr(layer, name)
            for name in ("stride", "padding", "dilation", "groups", "padding_mode")
        }
        watched = x.requires_grad or weight.requires_grad
        if not (self.training and watched and torch.is_grad_enabled()):
            return tnconv.conv(x, weight, bias, **hyper)  # type: ignore[no-any-return]
        seed = int(torch.randint(SEEDS, (), generator=self.generator))
        shares: dict[str, Any] = {"keep": self.keep, "input_keep": self.input_keep}
        return sampled_conv(x, weight, bias, seed=seed, **shares, **hyper)


class SampledConv1d(_Sampled, nn.Conv1d):
    """``torch.nn.Conv1d`` with sampled gradients: see :class:`SampledConv2d`."""


class SampledConv2d(_Sampled, nn.Conv2d):
    """``torch.nn.Conv2d`` whose gradients keep a share of some labels.

    The forward pass is exact, and so are gradients in eval mode. Each forward pass in
    training draws anew, and keeps of its input what the gradient of the weight will
    read: see :func:`tnconv_backends.torch.sampled.sampled_conv`.

    Args:
        sizes, hyper: as for ``torch.nn.Conv2d``.
        keep: shares for the gradient of the weight, by label: ``n`` (batch), ``c``,
            ``d`` (channels of a group), ``g``, ``i0``, ``i1``, ``o0``, ``o1``.
        input_keep: shares for the gradient of the input: ``n``, ``c``, ``d``, ``g``,
            ``o0``, ``o1``, ``k0``, ``k1``; exact if None.
        generator: where seeds are drawn, a generator of the CPU; PyTorch's own if None,
            so that ``torch.manual_seed`` governs it.

    Raises:
        ArgumentError: on a call, where shares do not fit.

    >>> layer = SampledConv2d(3, 8, 3, padding=1, keep={"n": 0.5})
    >>> layer
    SampledConv2d(3, 8, kernel_size=(3, 3), ..., keep={'n': 0.5})
    >>> layer(torch.ones(4, 3, 8, 8)).sum().backward()
    >>> layer.weight.grad.shape
    torch.Size([8, 3, 3, 3])
    """


class SampledConv3d(_Sampled, nn.Conv3d):
    """``torch.nn.Conv3d`` with sampled gradients: see :class:`SampledConv2d`."""
