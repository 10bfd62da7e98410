"""unfoldNd: im2col in any number of dimensions, a convolution with one-hot kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.cases import Cannot, Case
from benchmarks.contestants.guards import unfolded_guard
from benchmarks.contestants.unfold import grouped, squared

NAME = "unfoldNd"
TIMED = "`unfoldNd.unfoldNd` (`foldNd` for the transposed kinds) and a product"
LIBRARY = "torch"
NEEDS = ("unfoldNd", "torch")


def sampler(case: Case) -> Callable[[Any], Any]:
    """From the wide array to (batch, groups, c/groups * taps, positions)."""
    import unfoldNd

    layer = case.layer
    if not layer.symmetric:
        raise Cannot("takes no asymmetric padding")
    unfolded_guard(case)
    hyper = {"dilation": layer.dilation, "padding": layer.low, "stride": layer.stride}

    def run(array: Any) -> Any:
        flat = unfoldNd.unfoldNd(array, layer.kernel_size, **hyper)
        return flat.reshape(len(array), layer.groups, -1, flat.shape[-1])

    return run


def narrow(case: Case) -> Callable[[], Any]:
    sample, layer, shape = sampler(case), case.layer, case.result_shape
    wide, weight = case.wide, case.weight

    def run() -> Any:
        flat = weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)
        return (flat @ sample(wide)).reshape(shape)

    return run


def wide(case: Case) -> Callable[[], Any]:
    import unfoldNd

    sampler(case)  # its checks
    layer, v, weight = case.layer, case.narrow, case.weight
    hyper = {"dilation": layer.dilation, "padding": layer.low, "stride": layer.stride}

    def run() -> Any:
        flat = weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1)
        cols = (flat.mT @ grouped(v, layer.groups, 1)).flatten(1, 2)
        return unfoldNd.foldNd(cols, layer.wide[1], layer.kernel_size, **hyper)

    return run


def weight(case: Case) -> Callable[[], Any]:
    import torch

    sample, layer, shape = sampler(case), case.layer, case.result_shape
    x, v = case.wide, case.narrow
    equation = "ngdo,ngao->ngda" if case.kind == "weights" else "ngdo,ngao->gda"
    return lambda: torch.einsum(
        equation, grouped(v, layer.groups, 1), sample(x)
    ).reshape(shape)


def factor(case: Case) -> Callable[[], Any]:
    sample, x = sampler(case), case.wide
    return squared(case, lambda: sample(x))


BUILDS = {
    "narrow": narrow,
    "wide": wide,
    "weight": weight,
    "weights": weight,
    "expand": factor,
    "reduce": factor,
}
