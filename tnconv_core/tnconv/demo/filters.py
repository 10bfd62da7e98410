"""The kernels of the demo: a Gaussian, oriented derivatives, opponent pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

ORIENTATIONS = 8
GAUSSIAN_SIZE = 9
BANK_SIZE = 5
POOL_SIZE = 4
#: ITU-R BT.709: how much red, green and blue add to luminance
LUMINANCE = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Kernels:
    """The four small arrays the network reads beside the photograph."""

    gauss_y: Array
    gauss_x: Array
    orientations: Array
    opponents: Array

    @property
    def gauss(self) -> Array:
        """The Gaussian as the dense kernel (3, 1, size, size) of a grouped layer."""
        plane = np.outer(self.gauss_y, self.gauss_x)
        return np.ascontiguousarray(np.broadcast_to(plane, (3, 1, *plane.shape)))

    def arrays(self) -> dict[str, Array]:
        """The arrays by the names the network calls them."""
        return {
            "gauss_y": self.gauss_y,
            "gauss_x": self.gauss_x,
            "orientations": self.orientations,
            "opponents": self.opponents,
        }


def kernels(dtype: str = "float32") -> Kernels:
    """All kernels of the demo.

    >>> kernels().orientations.shape, kernels().opponents.shape
    ((8, 3, 5, 5), (4, 8, 4, 4))
    """
    gauss = gaussian(GAUSSIAN_SIZE, 1.5)
    made = (gauss, gauss, orientation_bank(), opponent_pooling())
    return Kernels(*(np.ascontiguousarray(kernel, dtype) for kernel in made))


def gaussian(size: int, sigma: float) -> Array:
    """A sampled Gaussian of odd length that sums to 1; ``sigma`` in pixels."""
    at = np.arange(size) - size // 2
    values = np.exp(-(at**2) / (2 * sigma**2))
    return np.asarray(values / values.sum())


def orientation_bank() -> Array:
    """Second derivatives of a Gaussian across 8 orientations, on luminance.

    Shape (8, 3, 5, 5). They are steerable: three of them span all. Source: Freeman and
    Adelson, *The Design and Use of Steerable Filters*, PAMI 1991.
    """
    at = np.arange(BANK_SIZE) - BANK_SIZE // 2
    y, x = np.meshgrid(at, at, indexing="ij")
    bell = np.exp(-(x**2 + y**2) / 2)
    planes = []
    for turn in range(ORIENTATIONS):
        angle = np.pi * turn / ORIENTATIONS
        along = x * np.cos(angle) + y * np.sin(angle)
        plane = (along**2 - 1) * bell
        plane -= plane.mean()  # no answer to a uniform surface
        planes.append(plane / np.abs(plane).sum())
    return np.asarray(np.einsum("dyx,c->dcyx", np.stack(planes), LUMINANCE))


def opponent_pooling() -> Array:
    """Each orientation less the one at a right angle, smoothed for a stride of 2.

    Shape (4, 8, 4, 4): the binomial window (1, 3, 3, 1) guards against aliasing.
    """
    binomial = np.asarray([1.0, 3.0, 3.0, 1.0]) / 8
    half = ORIENTATIONS // 2
    mix = np.concatenate([np.eye(half), -np.eye(half)], axis=1)
    return np.asarray(np.einsum("dc,y,x->dcyx", mix, binomial, binomial))
