"""Trained models made smaller: factorized layers, and what chooses and checks them."""

from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.finetune import (
    balance,
    finetune,
    parameter_groups,
)
from tnconv_backends.torch.compress.folding import fold_batchnorm, recalibrate
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
from tnconv_backends.torch.compress.refit import refit
from tnconv_backends.torch.compress.report import LayerReport, Report
from tnconv_backends.torch.compress.saved import load, save
from tnconv_backends.torch.compress.sequential import lowered

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
    "balance",
    "compress",
    "factorized",
    "finetune",
    "fold_batchnorm",
    "load",
    "lowered",
    "parameter_groups",
    "recalibrate",
    "refit",
    "save",
]
