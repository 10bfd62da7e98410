"""tnconv's public functions, called as a user calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cases import READS, Case, factor_keywords

NAME = "tnconv"
TIMED = "the public function; planned and compiled by the call before the clock starts"
LIBRARY = ""
NEEDS = ()


def build(case: Case) -> Callable[[], Any]:
    """The call of the case's operation, on arrays of either library."""
    import tnconv

    layer, hyper = case.layer, case.layer.hyper()
    wide, narrow, weight = case.wide, case.narrow, case.weight
    prefix = "conv_transpose" if layer.transposed else "conv"
    x, v = (narrow, wide) if layer.transposed else (wide, narrow)
    if case.operation == "forward":
        forward = getattr(tnconv, prefix)
        return lambda: forward(x, weight, **hyper)
    if case.operation == "input-vjp":
        input_vjp = getattr(tnconv, f"{prefix}_input_vjp")
        return lambda: input_vjp(weight, v, layer.input_size, **hyper)
    if case.operation.startswith("kfac"):
        hyper |= factor_keywords(case.kind)
        return lambda: tnconv.kfac_input_factor(x, layer.kernel_size, **hyper)
    weight_vjp = getattr(tnconv, f"{prefix}_weight_vjp")
    hyper["per_example"] = case.operation == "per-example"
    return lambda: weight_vjp(x, v, layer.kernel_size, **hyper)


BUILDS = dict.fromkeys(READS, build)
