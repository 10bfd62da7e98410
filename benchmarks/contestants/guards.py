"""Arrays that would not fit are refused before they are made, with their size."""

from __future__ import annotations

from math import prod

from benchmarks.cases import Cannot, Case
from benchmarks.layers import Layer


def pattern_shapes(layer: Layer) -> list[tuple[int, int, int]]:
    """(wide, narrow, kernel) sizes of the index pattern of each axis."""
    sizes = (layer.wide[1], layer.narrow[1], layer.kernel_size)
    return list(zip(*sizes, strict=True))


def pattern_guard(case: Case) -> None:
    """Refuse dense index patterns; einsum copies them to permute them."""
    need = 4 * sum(map(prod, pattern_shapes(case.layer)))
    if 2 * need > case.memory:
        raise Cannot("dense index patterns are too large", f"{need / 2**30:.1f} GiB")


def unfolded_guard(case: Case) -> None:
    """Refuse an unfolded input; a product copies it to permute it."""
    layer = case.layer
    need = 4 * case.batch * layer.wide[0] * layer.taps * prod(layer.narrow[1])
    if 2 * need > case.memory:
        raise Cannot("the unfolded input is too large", f"{need / 2**30:.1f} GiB")
