"""PyTorch's own operators: the convolution and its backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cases import Case

NAME = "torch"
TIMED = (
    "`F.conv1d` to `F.conv_transpose3d`, `aten.convolution_backward` for the VJPs; "
    "`F.pad` before them where the padding is asymmetric"
)
LIBRARY = "torch"
NEEDS = ("torch",)


def ends(case: Case) -> list[int] | None:
    """Explicit padding as ``F.pad`` takes it, None where the operator pads itself."""
    if case.layer.symmetric:
        return None
    return [end for pair in reversed(case.layer.padding) for end in pair]


def forward(case: Case) -> Callable[[], Any]:
    """The layer."""
    import torch.nn.functional as F

    layer, hyper, weight = case.layer, case.layer.hyper(), case.weight
    if layer.transposed:
        transpose, narrow = getattr(F, f"conv_transpose{layer.dims}d"), case.narrow
        return lambda: transpose(narrow, weight, **hyper)
    conv, wide, pads = getattr(F, f"conv{layer.dims}d"), case.wide, ends(case)
    if pads is None:
        return lambda: conv(wide, weight, **hyper)
    del hyper["padding"]
    return lambda: conv(F.pad(wide, pads), weight, **hyper)


def backward(case: Case) -> Callable[[], Any]:
    """One gradient of the layer by PyTorch's own backward operator."""
    import torch
    import torch.nn.functional as F

    layer, pads = case.layer, ends(case)
    wanted = 0 if case.operation == "input-vjp" else 1
    x, v = (case.narrow, case.wide) if layer.transposed else (case.wide, case.narrow)
    weight = case.weight
    if wanted == 0:  # of the input and, below, of the weight only the shape is read
        extra = map(sum, layer.padding) if pads else (0,) * layer.dims
        size = map(sum, zip(layer.input_size, extra, strict=True))
        x = v.new_empty((case.batch, layer.in_channels, *size))
    else:
        weight = v.new_empty(layer.weight_shape)
    padding = [0] * layer.dims if pads else list(layer.low)
    hyper = (list(layer.stride), padding, list(layer.dilation))
    mask = [wanted == 0, wanted == 1, False]
    more = (layer.transposed, list(layer.output_padding), layer.groups, mask)
    run = torch.ops.aten.convolution_backward
    if pads is None:
        return lambda: run(v, x, weight, None, *hyper, *more)[wanted]
    if wanted == 1:
        return lambda: run(v, F.pad(x, pads), weight, None, *hyper, *more)[1]
    crop = [-end for end in pads]
    return lambda: F.pad(run(v, x, weight, None, *hyper, *more)[0], crop)


def either(case: Case) -> Callable[[], Any]:
    """The layer or its gradient: a transposed layer swaps the kinds."""
    return (forward if case.operation == "forward" else backward)(case)


BUILDS = {"narrow": either, "wide": either, "weight": backward}
