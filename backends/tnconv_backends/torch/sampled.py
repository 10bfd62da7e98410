"""Convolutions whose gradients are sampled: exact forward, tensor dropout backward.

What the weight's gradient will read is drawn in the forward pass, and no more of the
input is kept. See :mod:`tnconv.dropout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch

import tnconv
from tnconv import networks
from tnconv.dropout import Share, drawn, kept
from tnconv.functions.arguments import HYPER, TRANSPOSED, hyper
from tnconv.network import Network
from tnconv.stored import Split, split

Tensor = torch.Tensor
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of layer: its function and its hyper-parameters, its network and VJPs."""

    run: Callable[..., Tensor]
    names: tuple[str, ...]
    network: Callable[..., Network]
    weight_vjp: Callable[..., Network]
    input_vjp: Callable[..., Network]


CONV = Kind(
    tnconv.conv,
    HYPER,
    networks.conv,
    networks.conv_weight_vjp,
    networks.conv_input_vjp,
)
CONV_TRANSPOSE = Kind(
    tnconv.conv_transpose,
    TRANSPOSED,
    networks.conv_transpose,
    networks.conv_transpose_weight_vjp,
    networks.conv_transpose_input_vjp,
)


def sampled_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    keep: Mapping[str, float],
    seed: int,
    input_keep: Mapping[str, float] | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """Convolve; the gradients are drawn, and right on average.

    Autograd keeps of ``x`` only what the drawn gradient of the weight will read. It is
    a copy, so that memory is saved where nothing else keeps ``x``: an activation such
    as ``torch.relu`` keeps its result, which is the next layer's ``x``.

    Args:
        x: ([batch,] in_channels, *input_size).
        weight: (out_channels, in_channels/groups, *kernel_size).
        bias: (out_channels,), or None; its gradient is exact.
        keep: shares for the gradient of the weight, as for
            :func:`tnconv.conv_weight_vjp`. ``n``, ``c`` and ``i0``.. save memory.
        seed: an int, another one for every call.
        input_keep: shares for the gradient of the input, as for
            :func:`tnconv.conv_input_vjp`; None for the exact one. A label in both is
            drawn once.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        ([batch,] out_channels, *output_size), as :func:`tnconv.conv` gives it.

    Raises:
        ArgumentError: sizes, hyper-parameters or shares do not fit.
        ArrayError: dtypes or devices of the tensors differ.

    Source: :mod:`tnconv.dropout`.

    >>> x, weight = torch.ones(4, 1, 3), torch.ones(1, 1, 2, requires_grad=True)
    >>> sampled_conv(x, weight, keep={"n": 0.5}, seed=0).sum().backward()
    >>> weight.grad
    tensor([[[8., 8.]]])
    """
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
    draw = (keep, input_keep or {}, seed)
    return _sampled("sampled_conv", CONV, (x, weight, bias), arguments, draw)


def sampled_conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    keep: Mapping[str, float],
    seed: int,
    input_keep: Mapping[str, float] | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve, transposed; the gradients are drawn: see :func:`sampled_conv`.

    Args:
        x: ([batch,] in_channels, *input_size).
        weight: (in_channels, out_channels/groups, *kernel_size).
        bias: (out_channels,), or None; its gradient is exact.
        keep: shares for the gradient of the weight, as for
            :func:`tnconv.conv_transpose_weight_vjp`. ``n``, ``d`` and ``o0``.. (of
            ``x``) save memory.
        seed: an int, another one for every call.
        input_keep: shares for the gradient of the input, as for
            :func:`tnconv.conv_transpose_input_vjp`; None for the exact one.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        ([batch,] out_channels, *output_size), as :func:`tnconv.conv_transpose` gives
        it.

    Raises:
        ArgumentError: sizes, hyper-parameters or shares do not fit.
        ArrayError: dtypes or devices of the tensors differ.

    Source: :mod:`tnconv.dropout`.

    >>> x, weight = torch.ones(4, 1, 3), torch.ones(1, 1, 2, requires_grad=True)
    >>> y = sampled_conv_transpose(x, weight, keep={"n": 0.5}, seed=0)
    >>> y.sum().backward()
    >>> weight.grad
    tensor([[[12., 12.]]])
    """
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    draw = (keep, input_keep or {}, seed)
    name = "sampled_conv_transpose"
    return _sampled(name, CONV_TRANSPOSE, (x, weight, bias), arguments, draw)


def _sampled(
    name: str,
    kind: Kind,
    tensors: tuple[Tensor, Tensor, Tensor | None],
    arguments: tuple[Any, ...],
    draw: tuple[Mapping[str, float], Mapping[str, float], int],
) -> Tensor:
    """A layer whose gradients are drawn."""
    x, weight, bias = tensors
    keep, input_keep, seed = draw
    whole = _vjps(kind, tuple(x.shape), tuple(weight.shape), arguments)
    parts = (
        drawn(whole[0], keep, seed, name),
        drawn(whole[1], input_keep, seed, f"{name} (input_keep)"),
    )
    later, of_input = _split(whole[0], parts[0]), _shares(whole[1], parts[1])
    read = x
    if later.taken is not None and weight.requires_grad:
        read = tnconv.contract(later.taken, x)
    keywords = dict(zip(kind.names, arguments, strict=True))
    run = partial(kind.run, **keywords)
    found: Tensor = SampledConv.apply(x, read, weight, run, later.rest, of_input)  # type: ignore[no-untyped-call]
    if bias is None:
        return found
    return found + bias.reshape(-1, *(1,) * (weight.ndim - 2))


class SampledConv(torch.autograd.Function):
    """The layer; its backward runs two networks on what was drawn before.

    ``read`` is what the gradient of the weight will read of ``x``. It is an argument of
    its own, so that this gradient is differentiated in ``x`` through it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        read: Tensor,
        weight: Tensor,
        run: Callable[[Tensor, Tensor], Tensor],
        of_weight: Network,
        of_input: Network,
    ) -> Tensor:
        """Convolve, and keep what the gradients that are wanted will read."""
        wanted = ctx.needs_input_grad
        ctx.of_weight, ctx.of_input = of_weight, of_input
        ctx.save_for_backward(
            read if wanted[2] else None, weight if wanted[0] else None
        )
        return run(x, weight)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        """Both gradients, from what is kept."""
        read, weight = ctx.saved_tensors
        of_x = of_weight = None
        if weight is not None:
            of_x = _on(ctx.of_input, weight=weight, cotangent=cotangent)
        if read is not None:
            of_weight = _on(ctx.of_weight, x=read, cotangent=cotangent)
        return of_x, None, of_weight, None, None, None


def _on(network: Network, **tensors: Tensor) -> Tensor:
    found: Tensor = tnconv.contract(network, *(tensors[n] for n in network.arguments))
    return found


@lru_cache(maxsize=1024)
def _vjps(
    kind: Kind, x: Shape, weight: Shape, arguments: tuple[Any, ...]
) -> tuple[Network, Network]:
    """The exact gradients of weight and input."""
    keywords = dict(zip(kind.names, arguments, strict=True))
    y, axes = kind.network(x, weight, **keywords).shape, len(weight) - 2
    return (
        kind.weight_vjp(x, y, weight[2:], **keywords),
        kind.input_vjp(weight, y, x[-axes:], **keywords),
    )


@lru_cache(maxsize=4096)
def _split(network: Network, shares: tuple[Share, ...]) -> Split:
    """The gradient on shares, in two halves, simplified so that no more is read."""
    return split(tnconv.simplify(kept(network, shares)).network, "x")


@lru_cache(maxsize=4096)
def _shares(network: Network, shares: tuple[Share, ...]) -> Network:
    return kept(network, shares)
