"""The judge: the three layers as plain loops over one pixel's definition.

Nothing here calls tnconv. A layer is a function from (channel, row, column) to a
number, which sums kernel times input over the window and reads 0 outside the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tnconv.demo.filters import Array, Kernels

Pixel = Callable[[int, int, int], float]


def crop(photo: Array, kernels: Kernels, rows: range, columns: range) -> list[float]:
    """The result of all layers on some rows and columns, channels outermost."""
    _, height, width = photo.shape
    image: Pixel = cache(lambda c, i, j: float(photo[c, i, j]))
    size = (height, width)
    middle = kernels.gauss.shape[2] // 2
    blurred = _layer(image, kernels.gauss, size, 1, middle, depthwise=True)
    middle = kernels.orientations.shape[2] // 2
    bank = _layer(blurred, kernels.orientations, size, 1, middle)
    pooled = _layer(bank, kernels.opponents, size, 2, 1)
    channels = range(kernels.opponents.shape[0])
    return [pooled(d, i, j) for d in channels for i in rows for j in columns]


def _layer(
    read: Pixel,
    weight: Array,
    size: tuple[int, int],
    stride: int,
    padding: int,
    depthwise: bool = False,
) -> Pixel:
    """A layer on ``read``; depthwise, kernel ``d`` reads image channel ``d`` alone."""
    kernel = weight.tolist()

    @cache
    def pixel(d: int, row: int, column: int) -> float:
        total = 0.0
        for c, plane in enumerate(kernel[d]):
            for ky, line in enumerate(plane):
                i = stride * row + ky - padding
                for kx, value in enumerate(line):
                    j = stride * column + kx - padding
                    if 0 <= i < size[0] and 0 <= j < size[1]:
                        total += value * read(d if depthwise else c, i, j)
        return total

    return pixel
