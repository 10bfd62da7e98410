"""Factorized kernels: a weight as a little network of factors."""

from typing import TYPE_CHECKING, Any

from tnconv.factor.formats import FORMATS, KernelShape, format_network, rank_caps
from tnconv.factor.kernel import FactorizedKernel, Fit
from tnconv.factor.rank import EVBMF, Energy, Fraction, RelativeError
from tnconv.factor.workload import Workload

if TYPE_CHECKING:
    from tnconv.factor.fit.layer import layer_least_squares, streamed_least_squares

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
    "layer_least_squares",
    "rank_caps",
    "streamed_least_squares",
]


if not TYPE_CHECKING:  # fits load NumPy: imported when asked for

    def __getattr__(name: str) -> Any:
        if name not in ("layer_least_squares", "streamed_least_squares"):
            raise AttributeError(f"module 'tnconv.factor' has no attribute {name!r}")
        from tnconv.factor.fit import layer

        return getattr(layer, name)
