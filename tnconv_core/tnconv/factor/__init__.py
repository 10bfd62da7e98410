"""Factorized kernels: a weight as a little network of factors."""

from tnconv.factor.formats import FORMATS, KernelShape, format_network, rank_caps
from tnconv.factor.kernel import FactorizedKernel, Fit
from tnconv.factor.rank import EVBMF, Energy, Fraction, RelativeError
from tnconv.factor.workload import Workload

__all__ = [
    "EVBMF",
    "FORMATS",
    "Energy",
    "FactorizedKernel",
    "Fit",
    "Fraction",
    "KernelShape",
    "RelativeError",
    "Workload",
    "format_network",
    "rank_caps",
]
