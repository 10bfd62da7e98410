"""Factorized kernels: a weight as a little network of factors."""

from tnconv.factor.formats import FORMATS, KernelShape, format_network, rank_caps
from tnconv.factor.kernel import FactorizedKernel

__all__ = ["FORMATS", "FactorizedKernel", "KernelShape", "format_network", "rank_caps"]
