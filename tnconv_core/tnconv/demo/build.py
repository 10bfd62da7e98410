"""Three layers joined into one network; nothing here touches an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from tnconv import edits, networks
from tnconv.axis import Axis
from tnconv.demo.filters import BANK_SIZE, GAUSSIAN_SIZE, ORIENTATIONS, POOL_SIZE
from tnconv.network import Input, Network


class Hyper(TypedDict):
    """The hyper-parameters a layer of the demo sets."""

    stride: int
    padding: int
    groups: int


@dataclass(frozen=True)
class Layer:
    """One layer: what its weight is called, and its hyper-parameters."""

    weight: str
    weight_shape: tuple[int, int, int, int]
    hyper: Hyper


BLUR = Layer(
    "gauss",
    (3, 1, GAUSSIAN_SIZE, GAUSSIAN_SIZE),
    Hyper(stride=1, padding=GAUSSIAN_SIZE // 2, groups=3),
)
BANK = Layer(
    "orientations",
    (ORIENTATIONS, 3, BANK_SIZE, BANK_SIZE),
    Hyper(stride=1, padding=BANK_SIZE // 2, groups=1),
)
POOL = Layer(
    "opponents",
    (ORIENTATIONS // 2, ORIENTATIONS, POOL_SIZE, POOL_SIZE),
    Hyper(stride=2, padding=1, groups=1),
)
LAYERS = (BLUR, BANK, POOL)


def separable_kernel(channels: int, size: int) -> Network:
    """The outer product of two 1-d kernels as a depthwise kernel, never multiplied out.

    Inputs ``gauss_y`` and ``gauss_x`` of shape (size,); the result has shape
    (channels, 1, size, size), the same plane for every channel.

    >>> dict(separable_kernel(3, 9).arguments)
    {'gauss_y': (9,), 'gauss_x': (9,)}
    """
    y, x = Axis(size, (("ky", 1),)), Axis(size, (("kx", 1),))
    every = Axis(channels, (("d", 1),))
    return Network.build(
        (Input("gauss_y", (y,)), Input("gauss_x", (x,))),
        (every, Axis(1, ()), y, x),
        {"ky": size, "kx": size, "d": channels},
    )


def photo_network(photo_shape: Sequence[int]) -> Network:
    """The three layers as one network on an image (3, height, width).

    >>> photo_network((3, 32, 48)).shape
    (4, 16, 24)
    >>> list(photo_network((3, 32, 48)).arguments)
    ['photo', 'gauss_y', 'gauss_x', 'orientations', 'opponents']
    """
    network: Network | None = None
    shape = tuple(photo_shape)
    for number, layer in enumerate(LAYERS, 1):
        built = networks.conv(shape, layer.weight_shape, **layer.hyper)
        built = edits.rename_inputs(built, {"weight": layer.weight})
        built = built.rename(_leg_names(number))
        if network is None:
            built = edits.rename_inputs(built, {"x": "photo"})
        else:
            built = edits.replace(built, "x", network)
        network, shape = built, built.shape
    assert network is not None
    network = edits.replace(network, "gauss", separable_kernel(3, GAUSSIAN_SIZE))
    # joining primes the labels of the inner network; these names are distinct without
    return network.rename({label: label.rstrip("'") for label in network.sizes})


def _leg_names(number: int) -> dict[str, str]:
    """Labels that say between which layers a leg stands: y0, x0 is the photograph."""
    before, after = number - 1, number
    return {
        "i0": f"y{before}",
        "i1": f"x{before}",
        "c": f"c{before}",
        "o0": f"y{after}",
        "o1": f"x{after}",
        "d": f"c{after}",
        "k0": f"ky{after}",
        "k1": f"kx{after}",
        "g": f"g{after}",
    }
