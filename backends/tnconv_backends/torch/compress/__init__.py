"""Trained models made smaller: factorized layers, and what chooses and checks them."""

from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.modules import (
    FactorizedConv1d,
    FactorizedConv2d,
    FactorizedConv3d,
    FactorizedConvTranspose1d,
    FactorizedConvTranspose2d,
    FactorizedConvTranspose3d,
    FactorizedLinear,
    factorized,
)

__all__ = [
    "FactorizedConv1d",
    "FactorizedConv2d",
    "FactorizedConv3d",
    "FactorizedConvTranspose1d",
    "FactorizedConvTranspose2d",
    "FactorizedConvTranspose3d",
    "FactorizedLinear",
    "FactorizedModule",
    "factorized",
]
