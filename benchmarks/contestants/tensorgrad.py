"""tensorgrad: symbolic tensor networks with a convolution of stride 1.

Its releases up to 0.3.0 read and write PyTorch's named tensors, which PyTorch 2.13 has
no more, and pin networkx to a version that tnconv's extras do not: it is listed with
these reasons, for every case.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks.cases import READS, Cannot, Case

NAME = "tensorgrad"
TIMED = "nothing: see the reasons"
LIBRARY = "torch"
NEEDS = ("torch",)


def build(case: Case) -> Callable[[], Any]:
    """Say why it cannot take part."""
    if case.layer.stride != (1,) * case.layer.dims:
        raise Cannot("its Convolution knows no stride")
    raise Cannot(
        "0.3.0 needs named tensors, which this PyTorch has not", version("torch")
    )


BUILDS = dict.fromkeys(READS, build)
