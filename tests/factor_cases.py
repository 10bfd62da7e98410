"""Drawn calls of the Kronecker factors and unfolded inputs, transposed ones too."""

from typing import Any

from hypothesis import strategies as st
from tests.windows import Case, Draw, Limits, channels, kernel_size, window

APPROXIMATIONS = st.sampled_from(("expand", "reduce"))
NORMALIZATIONS = st.sampled_from(("none", "batch", "positions", "both"))
FACTORS = (
    "kfac_input_factor",
    "kfac_output_factor",
    "kfac_transpose_input_factor",
    "unfolded_inputs",
    "unfolded_transpose_inputs",
)


def factor_cases(draw: Draw, operation: str, limits: Limits) -> Case:
    """Draw a call of one of ``FACTORS``."""
    transposed = "transpose" in operation
    found, channel = window(draw, limits, transposed), channels(draw, limits)
    hyper: dict[str, Any] = {"approximation": draw(APPROXIMATIONS)}
    if operation == "kfac_output_factor":
        return _output_case(draw, hyper, found.output, channel)
    if operation.startswith("kfac"):
        hyper["normalization"] = draw(NORMALIZATIONS)
    hyper |= {
        "grouping": draw(st.sampled_from(("block", "average"))),
        "outermost": draw(st.sampled_from(("channel", "kernel"))),
        "bias": draw(st.booleans()),
    }
    x = (*channel.batch, channel.into * channel.groups, *found.input)
    size = kernel_size(draw, found, channel)
    hyper |= {**found.hyper, "groups": channel.groups}
    return Case(operation, {"x": x}, (size,), hyper)


def _output_case(
    draw: Draw, hyper: dict[str, Any], output: tuple[int, ...], channel: Any
) -> Case:
    columns = draw(st.sampled_from((None, None, 1, 3)))
    lead = (*(() if columns is None else (columns,)), *channel.batch)
    spatial = output[: draw(st.integers(0, len(output)))]
    shape = (*lead, channel.out * channel.groups, *spatial)
    hyper |= {
        "normalization": draw(NORMALIZATIONS),
        "loss_average": draw(NORMALIZATIONS),
        "groups": channel.groups,
        "batched": bool(channel.batch),
        "columns": columns is not None,
    }
    return Case("kfac_output_factor", {"cotangent": shape}, (), hyper)
