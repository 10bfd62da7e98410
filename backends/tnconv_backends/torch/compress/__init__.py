"""Trained models made smaller: factorized layers, and what chooses and checks them."""

from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.model import compress
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
from tnconv_backends.torch.compress.report import LayerReport, Report

__all__ = [
    "FactorizedConv1d",
    "FactorizedConv2d",
    "FactorizedConv3d",
    "FactorizedConvTranspose1d",
    "FactorizedConvTranspose2d",
    "FactorizedConvTranspose3d",
    "FactorizedLinear",
    "FactorizedModule",
    "LayerReport",
    "Report",
    "compress",
    "factorized",
]
