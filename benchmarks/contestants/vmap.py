"""torch.func.vmap: per-example gradients by PyTorch's own batching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.cases import Case
from benchmarks.contestants import native

NAME = "torch.func.vmap"
TIMED = "`vmap` of `aten.convolution_backward`, one example each; no forward is run"
LIBRARY = "torch"
NEEDS = ("torch",)


def weights(case: Case) -> Callable[[], Any]:
    """The native weight gradient of one example, mapped over the batch."""
    import torch

    def one(wide: Any, narrow: Any) -> Any:
        single = replace(
            case,
            operation="weight-vjp",
            batch=1,
            wide=wide.unsqueeze(0),
            narrow=narrow.unsqueeze(0),
        )
        return native.backward(single)()

    mapped = torch.func.vmap(one)
    return lambda: mapped(case.wide, case.narrow)


BUILDS = {"weights": weights}
