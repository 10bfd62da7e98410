"""Layers that train by sampled gradients, in the place of PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

import tnconv
from tnconv.functions.arguments import HYPER
from tnconv_backends.torch.autocast import outside_autocast
from tnconv_backends.torch.sampled import sampled_conv, sampled_conv_transpose

Tensor = torch.Tensor
#: up to where seeds are drawn
SEEDS = 2**62


class _Sampled(nn.Module):
    """What the layers share: the shares, and where seeds come from."""

    #: the layer without sampling, with it, and what both take from the module
    exact: Callable[..., Tensor]
    sampled: Callable[..., Tensor]
    hyper: tuple[str, ...]

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

    def _run(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, **other: Any
    ) -> Tensor:
        """Sampled while it trains; exact in eval mode, and where nothing is kept."""
        return outside_autocast(
            partial(self._exact_or_sampled, **other), x, weight, bias
        )

    def _exact_or_sampled(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, **other: Any
    ) -> Tensor:
        kind = type(self)
        hyper = {name: getattr(self, name) for name in kind.hyper} | other
        watched = x.requires_grad or weight.requires_grad
        if not (self.training and watched and torch.is_grad_enabled()):
            return kind.exact(x, weight, bias, **hyper)
        seed = int(torch.randint(SEEDS, (), generator=self.generator))
        shares: dict[str, Any] = {"keep": self.keep, "input_keep": self.input_keep}
        return kind.sampled(x, weight, bias, seed=seed, **shares, **hyper)


class _Forward(_Sampled):
    """A convolution's own part."""

    exact = staticmethod(tnconv.conv)
    sampled = staticmethod(sampled_conv)
    hyper = HYPER

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What PyTorch's forward calls."""
        return self._run(x, weight, bias)


class _Transposed(_Sampled):
    """A transposed convolution's own part."""

    exact = staticmethod(tnconv.conv_transpose)
    sampled = staticmethod(sampled_conv_transpose)
    hyper = ("stride", "padding", "dilation", "groups")

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """The layer on a tensor, as PyTorch's: ``output_size`` chooses the padding."""
        layer: Any = self
        axes = len(layer.kernel_size)
        extra = layer._output_padding(
            x, output_size, layer.stride, layer.padding, layer.kernel_size, axes,
            layer.dilation,
        )  # fmt: skip
        return self._run(x, layer.weight, layer.bias, output_padding=tuple(extra))


class SampledConv1d(_Forward, nn.Conv1d):
    """``torch.nn.Conv1d`` with sampled gradients: see :class:`SampledConv2d`."""


class SampledConv2d(_Forward, nn.Conv2d):
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


class SampledConv3d(_Forward, nn.Conv3d):
    """``torch.nn.Conv3d`` with sampled gradients: see :class:`SampledConv2d`."""


class SampledConvTranspose1d(_Transposed, nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d`` likewise: see :class:`SampledConvTranspose2d`."""


class SampledConvTranspose2d(_Transposed, nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d`` whose gradients keep a share of some labels.

    As :class:`SampledConv2d`, with the labels of the associated convolution: ``d`` and
    ``o0``.. are of the input, ``c`` and ``i0``.. of the result. See
    :func:`tnconv_backends.torch.sampled.sampled_conv_transpose`.

    >>> layer = SampledConvTranspose2d(3, 8, 2, stride=2, keep={"n": 0.5})
    >>> layer(torch.ones(4, 3, 5, 5)).sum().backward()
    >>> layer.weight.grad.shape
    torch.Size([3, 8, 2, 2])
    """


class SampledConvTranspose3d(_Transposed, nn.ConvTranspose3d):
    """``torch.nn.ConvTranspose3d`` likewise: see :class:`SampledConvTranspose2d`."""
