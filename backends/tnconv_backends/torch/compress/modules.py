"""Factorized layers in the place of PyTorch's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import FactorizedKernel
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.forward import (
    CONV,
    LINEAR,
    TRANSPOSED,
    output_padding,
)

Tensor = torch.Tensor


class FactorizedConv1d(FactorizedModule):
    """``torch.nn.Conv1d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain, kind = nn.Conv1d, CONV


class FactorizedConv2d(FactorizedModule):
    """``torch.nn.Conv2d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain, kind = nn.Conv2d, CONV


class FactorizedConv3d(FactorizedModule):
    """``torch.nn.Conv3d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain, kind = nn.Conv3d, CONV


class FactorizedLinear(FactorizedModule):
    """``torch.nn.Linear`` with a factorized weight: see :class:`FactorizedModule`."""

    plain, kind = nn.Linear, LINEAR


class _Transposed(FactorizedModule):
    kind = TRANSPOSED

    def forward(
        self, input: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """What PyTorch's layer gives, of ``output_size`` where that is asked for."""
        hyper = self.hyper
        if output_size is not None:
            hyper["output_padding"] = output_padding(
                hyper, self.network, input, output_size
            )
        return self._forward(input, hyper)


class FactorizedConvTranspose1d(_Transposed):
    """``ConvTranspose1d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain = nn.ConvTranspose1d


class FactorizedConvTranspose2d(_Transposed):
    """``ConvTranspose2d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain = nn.ConvTranspose2d


class FactorizedConvTranspose3d(_Transposed):
    """``ConvTranspose3d`` with a factorized kernel: see :class:`FactorizedModule`."""

    plain = nn.ConvTranspose3d


CLASSES: tuple[type[FactorizedModule], ...] = (
    FactorizedConv1d,
    FactorizedConv2d,
    FactorizedConv3d,
    FactorizedConvTranspose1d,
    FactorizedConvTranspose2d,
    FactorizedConvTranspose3d,
    FactorizedLinear,
)
#: PyTorch's layer -> the factorized one
FACTORIZED: dict[type, type[FactorizedModule]] = {one.plain: one for one in CLASSES}


def factorized(layer: nn.Module, kernel: FactorizedKernel) -> FactorizedModule:
    """The layer of PyTorch with a factorized kernel in its weight's place.

    Raises ArgumentError for a layer of another type (subclasses, whose forward may be
    another, included), and for a kernel that does not fit.
    """
    if type(layer) not in FACTORIZED:
        raise ArgumentError(
            f"factorized: a {type(layer).__name__} has no factorized layer; give one "
            f"of {', '.join(kind.__name__ for kind in FACTORIZED)}"
        )
    return FACTORIZED[type(layer)].of(layer, kernel)
