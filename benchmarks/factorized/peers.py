"""The other ways to run a factorized convolution on PyTorch, written by hand.

The textbook chain is one layer per factor (1x1 convolutions around a smaller one;
depthwise ones for CP), as the papers of the formats print it. Weights are laid out
once, before the clock runs, as a module would hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import conv2d

Call = Callable[[], Any]
#: the dense weight of each format, two spatial axes
DENSE = {
    "svd-in": "drxy,rc->dcxy",
    "svd-out": "dr,rcxy->dcxy",
    "svd-spatial": "dry,rcx->dcxy",
    "cp": "dr,cr,xr,yr->dcxy",
    "cp3": "dr,cr,xyr->dcxy",
    "tucker2": "dp,pqxy,cq->dcxy",
    "tt": "cu,uxv,vyw,wd->dcxy",
}


@dataclass(frozen=True)
class Layer2d:
    """Stride and padding of a layer, axis by axis."""

    stride: tuple[int, int]
    padding: tuple[int, int]

    def along(self, *axes: int) -> dict[str, Any]:
        """Hyper-parameters of a convolution along some axes only."""
        return {
            "stride": tuple(s if j in axes else 1 for j, s in enumerate(self.stride)),
            "padding": tuple(p if j in axes else 0 for j, p in enumerate(self.padding)),
        }


Steps = list[tuple[Any, dict[str, Any]]]


def _point(matrix: Any) -> tuple[Any, dict[str, Any]]:
    """A 1x1 convolution with a matrix (out, in)."""
    return matrix[:, :, None, None].contiguous(), {}


def _svd_in(f: list[Any], layer: Layer2d) -> Steps:
    return [_point(f[1]), (f[0], layer.along(0, 1))]


def _svd_out(f: list[Any], layer: Layer2d) -> Steps:
    return [(f[1], layer.along(0, 1)), _point(f[0])]


def _svd_spatial(f: list[Any], layer: Layer2d) -> Steps:
    first, second = f[1][..., None].contiguous(), f[0][:, :, None].contiguous()
    return [(first, layer.along(0)), (second, layer.along(1))]


def _cp(f: list[Any], layer: Layer2d) -> Steps:
    groups = {"groups": f[0].shape[1]}
    tall = f[2].T[:, None, :, None].contiguous()
    wide = f[3].T[:, None, None].contiguous()
    middle = [(tall, layer.along(0) | groups), (wide, layer.along(1) | groups)]
    return [_point(f[1].T), *middle, _point(f[0])]


def _cp3(f: list[Any], layer: Layer2d) -> Steps:
    depthwise = f[2].permute(2, 0, 1)[:, None].contiguous()
    hyper = layer.along(0, 1) | {"groups": f[0].shape[1]}
    return [_point(f[1].T), (depthwise, hyper), _point(f[0])]


def _tucker2(f: list[Any], layer: Layer2d) -> Steps:
    return [_point(f[2].T), (f[1], layer.along(0, 1)), _point(f[0])]


def _tt(f: list[Any], layer: Layer2d) -> Steps:
    tall = f[1].permute(2, 0, 1)[..., None].contiguous()
    wide = f[2].permute(2, 0, 1)[:, :, None].contiguous()
    middle = [(tall, layer.along(0)), (wide, layer.along(1))]
    return [_point(f[0].T), *middle, _point(f[3].T)]


CHAINS: dict[str, Callable[[list[Any], Layer2d], Steps]] = {
    "svd-in": _svd_in,
    "svd-out": _svd_out,
    "svd-spatial": _svd_spatial,
    "cp": _cp,
    "cp3": _cp3,
    "tucker2": _tucker2,
    "tt": _tt,
}


def peers(format: str, x: Any, factors: list[Any], layer: Layer2d) -> dict[str, Call]:
    """Dense, reconstructed in every call, and the textbook chain."""
    both = layer.along(0, 1)
    weight = torch.einsum(DENSE[format], *factors).contiguous()
    steps = CHAINS[format](factors, layer)

    def chain() -> Any:
        found = x
        for kernel, hyper in steps:
            found = conv2d(found, kernel, **hyper)
        return found

    return {
        "dense": lambda: conv2d(x, weight, **both),
        "reconstruct": lambda: conv2d(x, torch.einsum(DENSE[format], *factors), **both),
        "textbook": chain,
    }
