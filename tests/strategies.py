"""Drawn calls of every operation: hyper-parameters, sizes and shapes that fit together.

Drawn are 1 to 4 spatial axes, sizes 0 and 1, kernels larger than the unpadded input,
strides that leave a remainder, groups up to depthwise, padding in every spelling
(asymmetric, negative, 'same'), all padding modes, output padding, and arrays without a
batch.
"""

from math import prod

from hypothesis import strategies as st
from tests.factor_cases import FACTORS, factor_cases
from tests.windows import (
    EVERYTHING,
    Case,
    Draw,
    Limits,
    channels,
    kernel_size,
    spelled,
)
from tests.windows import window as drawn_window

__all__ = ["OPERATIONS", "Case", "Limits", "cases", "seeds"]


def convolution_cases(draw: Draw, operation: str, limits: Limits) -> Case:
    """Draw a call of a ``conv*`` function, ``toeplitz`` or their transposed twins."""
    transposed = operation.startswith("conv_transpose")
    window = drawn_window(draw, limits, transposed)
    channel = channels(draw, limits)
    batch, groups = channel.batch, channel.groups
    into, out = channel.into * groups, channel.out * groups
    hyper = {**window.hyper, "groups": groups}
    x, y = (*batch, into, *window.input), (*batch, out, *window.output)
    weight = (out, channel.into, *window.kernel)
    if transposed:
        weight = (into, channel.out, *window.kernel)
    kind = operation.removeprefix("conv_transpose").removeprefix("conv").strip("_")
    if kind == "weight_vjp":
        hyper["per_example"] = draw(st.booleans())
        size = kernel_size(draw, window, channel)
        return Case(operation, {"x": x, "cotangent": y}, (size,), hyper)
    if kind == "input_vjp":
        size = spelled(draw, window.input)
        return Case(operation, {"weight": weight, "cotangent": y}, (size,), hyper)
    if kind == "bias_vjp":
        hyper = {"batched": bool(batch), "per_example": draw(st.booleans())}
        return Case(operation, {"cotangent": y}, (), hyper)
    if kind == "weight_jacobian":
        size = kernel_size(draw, window, channel)
        return Case(operation, {"x": x}, (out, size), hyper)
    if kind == "jvp":
        tangents = {"x_tangent": x, "weight_tangent": weight, "bias_tangent": (out,)}
        names = draw(st.sets(st.sampled_from(sorted(tangents)), min_size=1))
        given = {k: tangents[k] for k in tangents if k in names}
        shapes = {"x": x, "weight": weight, **given}
        return Case(operation, shapes, (), hyper, tuple(given))
    if kind == "toeplitz":
        size = spelled(draw, window.input)
        return Case(operation, {"weight": weight}, (size,), hyper)
    shapes = {"x": x, "weight": weight}
    if draw(st.booleans()):
        shapes["bias"] = (out,)
    return Case(operation, shapes, (), hyper)


def sampling_cases(draw: Draw, operation: str, limits: Limits) -> Case:
    """Draw a call of ``unfold``, ``fold`` or ``unfold_transpose``."""
    transposed = operation == "unfold_transpose"
    window = drawn_window(draw, limits, transposed)
    channel = channels(draw, limits)
    size = kernel_size(draw, window, channel)
    if operation != "fold":
        x = (*channel.batch, channel.into, *window.input)
        return Case(operation, {"x": x}, (size,), window.hyper)
    rows = channel.into * prod(window.kernel)
    columns = (*channel.batch, rows, prod(window.output))
    sizes = (window.input, spelled(draw, window.kernel))
    return Case(operation, {"columns": columns}, sizes, window.hyper)


OPERATIONS = (
    "conv",
    "conv_bias_vjp",
    "conv_input_vjp",
    "conv_jvp",
    "conv_transpose",
    "conv_transpose_bias_vjp",
    "conv_transpose_input_vjp",
    "conv_transpose_jvp",
    "conv_transpose_weight_jacobian",
    "conv_transpose_weight_vjp",
    "conv_weight_jacobian",
    "conv_weight_vjp",
    "fold",
    "toeplitz",
    "unfold",
    "unfold_transpose",
    *FACTORS,
)


@st.composite
def cases(draw: Draw, operation: str, limits: Limits = EVERYTHING) -> Case:
    """A call of ``operation``."""
    if operation in FACTORS:
        return factor_cases(draw, operation, limits)
    if operation in ("unfold", "fold", "unfold_transpose"):
        return sampling_cases(draw, operation, limits)
    return convolution_cases(draw, operation, limits)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of array data."""
    return st.integers(0, 2**16)
