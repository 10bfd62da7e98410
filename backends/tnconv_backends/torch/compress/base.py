"""What layers share whose parameters are the factors of a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Self

import torch
from torch import nn
from torch.compiler import is_compiling

import tnconv
from tnconv.errors import ArgumentError
from tnconv.factor import FactorizedKernel, KernelShape, format_network
from tnconv.network import Network
from tnconv_backends.torch.autocast import outside_autocast
from tnconv_backends.torch.compress.forward import (
    Kind,
    network_of,
)

Tensor = torch.Tensor


class FactorizedModule(nn.Module):
    """What the layers share: factors as parameters, one plan for each input shape.

    The parameters are called ``factor_`` and the name of a factor, and ``bias``.

    Args:
        sizes, hyper: as for the layer of PyTorch it stands for.
        format: a name of :data:`tnconv.factor.FORMATS`, or a network of factors that
            gives the weight.
        ranks: an int for all bonds, or one for each; with a network None.
        bias: whether there is one.

    Factors are drawn at random so that the weight has the variance that PyTorch draws
    its weights with; :meth:`of` takes given ones.

    Raises:
        ArgumentError: an unknown format, or ranks that do not fit.

    >>> from tnconv_backends.torch.compress import FactorizedConv2d
    >>> layer = FactorizedConv2d(8, 16, 3, padding=1, format="tucker2", ranks=(6, 4))
    >>> layer(torch.ones(2, 8, 5, 5)).shape, sorted(layer.state_dict())
    (torch.Size([2, 16, 5, 5]), ['bias', 'factor_core', 'factor_in', 'factor_out'])
    """

    plain: ClassVar[Any]
    kind: ClassVar[Kind]
    bias: nn.Parameter | None

    def __init__(
        self,
        *sizes: Any,
        format: str | Network,
        ranks: int | Sequence[int] | None = None,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **hyper: Any,
    ) -> None:
        super().__init__()
        layer = self.plain(*sizes, bias=bias, device="meta", **hyper)
        for name in (*self.kind.sizes, *self.kind.hyper):
            setattr(self, name, getattr(layer, name))
        shape = KernelShape(
            tuple(layer.weight.shape), self._groups, self.kind.transposed
        )
        self.network = _kernel_network(format, shape, ranks)
        self.format = format if isinstance(format, str) else "custom"
        like = {"device": device, "dtype": dtype}
        for name, size in self.network.arguments.items():
            factor = nn.Parameter(torch.empty(size, **like))
            self.register_parameter(f"factor_{name}", factor)
        out = None if not bias else nn.Parameter(torch.empty(layer.bias.shape, **like))
        self.register_parameter("bias", out)
        self.reset_parameters()

    @classmethod
    def of(cls, layer: nn.Module, kernel: FactorizedKernel) -> Self:
        """The layer with factors in its weight's place, of the same device and mode.

        Raises ArgumentError where the kernel is none for this layer.
        """
        _check(cls, layer, kernel)
        own: Any = layer
        sizes = [getattr(own, name) for name in cls.kind.sizes]
        hyper = {name: getattr(own, name) for name in cls.kind.hyper}
        named = kernel.format != "custom"
        found = cls(
            *sizes,
            format=kernel.format if named else kernel.network,
            ranks=kernel.ranks if named else None,
            bias=own.bias is not None,
            device="meta",
            **hyper,
        )
        train = own.weight.requires_grad
        for name, factor in kernel.arrays().items():
            kept = nn.Parameter(factor.detach().clone(), requires_grad=train)
            setattr(found, f"factor_{name}", kept)
        if own.bias is not None:
            found.bias = nn.Parameter(
                own.bias.detach().clone(), requires_grad=own.bias.requires_grad
            )
        return found.train(layer.training)

    @property
    def factors(self) -> dict[str, nn.Parameter]:
        """The factors by name, in the order of the network."""
        return {
            name: getattr(self, f"factor_{name}") for name in self.network.arguments
        }

    @property
    def kernel(self) -> FactorizedKernel:
        """The factors as a kernel, accepted by every operation that takes a weight."""
        return FactorizedKernel(
            self.format,
            self.network,
            tuple(self.factors.values()),
            self._groups,
            self.kind.transposed,
        )

    @property
    def kernel_shape(self) -> KernelShape:
        """The shape of the dense weight with what its axes are."""
        return KernelShape(self.network.shape, self._groups, self.kind.transposed)

    @property
    def weight(self) -> Tensor:
        """The dense weight, made anew; for code that reads a layer's weight."""
        found: Tensor = self.kernel.to_dense()
        return found

    @property
    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters by name, as PyTorch's layer has them."""
        return {name: getattr(self, name) for name in self.kind.hyper}

    def reset_parameters(self) -> None:
        """Draw factors whose weight has the variance of PyTorch's, 1 / (3 fan_in)."""
        factors, shape = self.factors.values(), self.network.shape
        summed = prod(self.kernel.ranks)
        fan_in = prod(shape[1:])
        variance = (1 / (3 * fan_in * summed)) ** (1 / len(factors))
        with torch.no_grad():
            for factor in factors:
                factor.normal_(std=variance**0.5)
            if self.bias is not None:
                self.bias.uniform_(-(fan_in**-0.5), fan_in**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """What PyTorch's layer gives with the weight that :attr:`weight` is."""
        return self._forward(input, self.hyper)

    def to_dense(self) -> nn.Module:
        """The layer of PyTorch with the dense weight."""
        layer: nn.Module = self._plain()
        with torch.no_grad():
            weight = nn.Parameter(self.weight.detach())
        layer.weight = weight
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.detach().clone())
        return layer.train(self.training)

    def to_sequential(self) -> nn.Sequential:
        """PyTorch's own layers in a row, one for each factor: the textbook chain.

        Raises ArgumentError where a network of one's own is no such chain.
        """
        from tnconv_backends.torch.compress.sequential import sequential

        return sequential(self)

    def extra_repr(self) -> str:
        """PyTorch's text, the format and the ranks."""
        own = self._plain().extra_repr()
        return f"{own}, format={self.format}, ranks={self.kernel.ranks}"

    @property
    def _groups(self) -> int:
        return int(getattr(self, "groups", 1))

    def _plain(self) -> Any:
        sizes = [getattr(self, name) for name in self.kind.sizes]
        bias = self.bias is not None
        return self.plain(*sizes, bias=bias, device="meta", **self.hyper)

    def _forward(self, x: Tensor, hyper: Mapping[str, Any]) -> Tensor:
        keywords = tuple((a, b) for a, b in hyper.items() if a != "groups")
        shape = self.kernel_shape

        def run(x: Tensor, bias: Tensor | None, *factors: Tensor) -> Tensor:
            call = _uncompiled if is_compiling() else _call
            return call(self.kind, shape, self.network, keywords, x, bias, factors)

        return outside_autocast(run, x, self.bias, *self.factors.values())


def _kernel_network(
    format: str | Network, shape: KernelShape, ranks: int | Sequence[int] | None
) -> Network:
    if isinstance(format, Network):
        if ranks is not None:
            raise ArgumentError(
                "factorized layer: the network has ranks of its own; leave ranks out"
            )
        if format.shape != shape.shape:
            raise ArgumentError(
                f"factorized layer: the network gives a weight of shape "
                f"{format.shape}, the layer has {shape.shape}"
            )
        return format
    if ranks is None:
        raise ArgumentError(
            f"factorized layer: no ranks for {format!r}; give an int, or one per bond"
        )
    return format_network(format, shape, ranks)


def _check(
    cls: type[FactorizedModule], layer: nn.Module, kernel: FactorizedKernel
) -> None:
    if not isinstance(layer, cls.plain):
        raise ArgumentError(
            f"{cls.__name__}: stands for a {cls.plain.__name__}, got a "
            f"{type(layer).__name__}"
        )
    own: Any = layer
    found = (kernel.shape, kernel.groups, kernel.transposed)
    groups = int(getattr(own, "groups", 1))
    wanted = (tuple(own.weight.shape), groups, cls.kind.transposed)
    if found != wanted:
        raise ArgumentError(
            f"{cls.__name__}: the kernel has (shape, groups, transposed) {found}, the "
            f"layer {wanted}"
        )
    if (kernel.dtype, kernel.device) != (own.weight.dtype, own.weight.device):
        raise ArgumentError(
            f"{cls.__name__}: the factors are {kernel.dtype} on {kernel.device}, the "
            f"weight is {own.weight.dtype} on {own.weight.device}; convert one of them"
        )


def _call(
    kind: Kind,
    shape: KernelShape,
    kernel: Network,
    hyper: tuple[tuple[str, Any], ...],
    x: Tensor,
    bias: Tensor | None,
    factors: Sequence[Tensor],
) -> Tensor:
    rows = kind.rows(x, kernel)
    network = network_of(tuple(rows.shape), shape, kernel, hyper)
    y: Tensor = tnconv.contract(network, rows, *factors)
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * (len(kernel.shape) - 2))
    return kind.shaped(y, x)


#: between two graphs of ``torch.compile``, as the backend's own calls are
_uncompiled: Any = torch.compiler.disable(_call)  # type: ignore[no-untyped-call]
