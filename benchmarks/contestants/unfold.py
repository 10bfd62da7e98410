"""PyTorch's unfold recipes: im2col and a matrix product, as K-FAC libraries do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cases import Cannot, Case
from benchmarks.contestants.guards import unfolded_guard
from benchmarks.contestants.native import ends
from benchmarks.layers import Layer

NAME = "torch unfold"
TIMED = (
    "`F.unfold` (1-d as one row; `Tensor.unfold` in 3-d), then `matmul` or "
    "`einsum`; `F.fold` after the product for the transposed kinds"
)
LIBRARY = "torch"
NEEDS = ("torch",)


def columns(wide: Any, layer: Layer, pads: list[int] | None) -> Any:
    """The unfolded input: (batch, groups, c/groups * taps, positions)."""
    import torch.nn.functional as F

    if layer.dims == 3:
        flat = windows(wide, layer)
    else:
        flat = F.unfold(
            row(wide if pads is None else F.pad(wide, pads), layer),
            flatten(layer.kernel_size, 1),
            dilation=flatten(layer.dilation, 1),
            padding=flatten(layer.low if pads is None else (0,) * layer.dims, 0),
            stride=flatten(layer.stride, 1),
        )
    return flat.reshape(len(wide), layer.groups, -1, flat.shape[-1])


def windows(wide: Any, layer: Layer) -> Any:
    """Columns by ``Tensor.unfold``, in any number of dimensions."""
    import torch.nn.functional as F

    pads = [end for pair in reversed(layer.reach) for end in pair]
    view = F.pad(wide, pads)
    for axis in range(layer.dims):
        dilation, kernel = layer.dilation[axis], layer.kernel_size[axis]
        span = dilation * (kernel - 1) + 1
        view = view.unfold(2 + axis, span, layer.stride[axis])[..., ::dilation]
        view = view.narrow(2 + axis, 0, layer.narrow[1][axis])
    order = (
        0,
        1,
        *range(2 + layer.dims, 2 + 2 * layer.dims),
        *range(2, 2 + layer.dims),
    )
    return view.permute(order).reshape(len(wide), wide.shape[1] * layer.taps, -1)


def row(array: Any, layer: Layer) -> Any:
    """A signal as an image of one row, which ``F.unfold`` asks for."""
    return array.unsqueeze(2) if layer.dims == 1 else array


def flatten(values: tuple[int, ...], first: int) -> tuple[int, ...]:
    """Hyper-parameters of a signal as those of an image of one row."""
    return (first, *values) if len(values) == 1 else values


def grouped(array: Any, groups: int, axis: int) -> Any:
    """Channels split into groups and all axes after them made one."""
    head = array.shape[:axis]
    return array.reshape(*head, groups, array.shape[axis] // groups, -1)


def narrow(case: Case) -> Callable[[], Any]:
    layer, pads, shape = case.layer, ends(case), case.result_shape
    wide, weight = case.wide, case.weight
    unfolded_guard(case)

    def run() -> Any:
        flat = weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)
        return (flat @ columns(wide, layer, pads)).reshape(shape)

    return run


def wide(case: Case) -> Callable[[], Any]:
    layer, v, weight = case.layer, case.narrow, case.weight
    if layer.dims == 3:
        raise Cannot("F.fold knows images only")
    unfolded_guard(case)
    import torch.nn.functional as F

    sizes, pads = layer.wide[1], ends(case)
    if pads is not None:
        sizes = tuple(n + sum(p) for n, p in zip(sizes, layer.padding, strict=True))

    def run() -> Any:
        flat = weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)
        cols = (flat.mT @ grouped(v, layer.groups, 1)).flatten(1, 2)
        found = F.fold(
            cols,
            flatten(sizes, 1),
            flatten(layer.kernel_size, 1),
            dilation=flatten(layer.dilation, 1),
            padding=flatten(layer.low if pads is None else (0,) * layer.dims, 0),
            stride=flatten(layer.stride, 1),
        )
        found = found.squeeze(2) if layer.dims == 1 else found
        return found if pads is None else F.pad(found, [-end for end in pads])

    return run


def weight(case: Case) -> Callable[[], Any]:
    layer, pads, shape = case.layer, ends(case), case.result_shape
    x, v, each = case.wide, case.narrow, case.kind == "weights"
    unfolded_guard(case)
    import torch

    equation = "ngdo,ngao->ngda" if each else "ngdo,ngao->gda"

    def run() -> Any:
        cols = columns(x, layer, pads)
        return torch.einsum(equation, grouped(v, layer.groups, 1), cols).reshape(shape)

    return run


def factor(case: Case) -> Callable[[], Any]:
    layer, pads, x = case.layer, ends(case), case.wide
    unfolded_guard(case)
    return squared(case, lambda: columns(x, layer, pads))


def squared(case: Case, unfolded: Callable[[], Any]) -> Callable[[], Any]:
    """The Kronecker factor of an unfolded input: (batch, groups, rows, positions)."""
    import torch

    def expand() -> Any:
        cols = unfolded()
        return torch.einsum("ngao,ngbo->gab", cols, cols) / case.batch

    def reduce() -> Any:
        mean = unfolded().mean(-1)
        return torch.einsum("nga,ngb->gab", mean, mean) / case.batch

    return expand if case.kind == "expand" else reduce


BUILDS = {
    "narrow": narrow,
    "wide": wide,
    "weight": weight,
    "weights": weight,
    "expand": factor,
    "reduce": factor,
}
