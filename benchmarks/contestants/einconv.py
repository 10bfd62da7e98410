"""einconv: dense index patterns, its own simplifications, one ``torch.einsum``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.cases import Cannot, Case
from benchmarks.contestants.guards import pattern_guard

NAME = "einconv"
TIMED = (
    "`torch.einsum` of the simplified expression and a reshape; its patterns and "
    "simplifications are made before the clock starts"
)
LIBRARY = "torch"
NEEDS = ("einconv", "torch")


def build(case: Case) -> Callable[[], Any]:
    """The expression of the case's kind."""
    layer = case.layer
    if not layer.symmetric:
        raise Cannot("takes no asymmetric padding")
    pattern_guard(case)
    import torch

    hyper: dict[str, Any] = {
        "stride": layer.stride,
        "padding": layer.low,
        "dilation": layer.dilation,
        "groups": layer.groups,
    }
    module, arguments = {
        "narrow": ("forward", (case.wide, case.weight)),
        "wide": ("input_vjp", (case.weight, case.narrow, layer.wide[1])),
        "weight": ("weight_vjp", (case.wide, case.narrow, layer.kernel_size)),
        "expand": ("kfc", (case.wide, layer.kernel_size)),
        "reduce": ("kfac_reduce", (case.wide, layer.kernel_size)),
    }[case.kind]
    make = import_module(f"einconv.expressions.convNd_{module}").einsum_expression
    equation, operands, shape = make(*arguments, **hyper)
    return lambda: torch.einsum(equation, *operands).reshape(shape)


BUILDS = dict.fromkeys(("narrow", "wide", "weight", "expand", "reduce"), build)
