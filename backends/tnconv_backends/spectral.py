"""Convolutions by Fourier transforms, on whatever module has ``rfftn`` and ``irfftn``.

Spectra keep one axis of all frequencies, the last. At each frequency a group's spectra
are matrices over rows, inner and columns, which are multiplied as a batch, or
elementwise where they are too thin for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnconv.execution.program import Shape, Spectral

Array = Any
Kernel = Callable[..., Array]

#: role -> the two leading axes of left, right and result: group, row, inner, column
AXES = {
    "forward": ("rgi", "gci", "rgc"),
    "transposed": ("rgi", "gic", "rgc"),
    "weight": ("igr", "igc", "gcr"),
}


def bind_spectral(
    xp: Any,
    fft: Any,
    matmul: Kernel,
    step: Spectral,
    shapes: Sequence[Shape],
    dtype: Any,
) -> Kernel:
    """The kernel of a :class:`Spectral` step; ``fft`` holds the transforms, ``matmul``
    multiplies batches of matrices that lie in memory in any order."""
    lengths, count = step.lengths, step.frequencies
    axes = tuple(range(2, 2 + len(lengths)))
    spectrum = (*lengths[:-1], lengths[-1] // 2 + 1)
    rows, inner, columns = step.matrices(*shapes)
    sizes = {"g": step.groups, "r": rows, "i": inner, "c": columns, "f": count}
    first, second, result = (f"{names}f" for names in AXES[step.role])
    names = (first, second, result)
    if step.is_thin(*shapes):
        multiply = _elementwise(xp, names, sizes)
    else:
        multiply = _matrices(xp, matmul, names)
    left, right = (tuple(sizes[a] for a in names) for names in (first, second))
    correlate = step.role != "transposed"

    def run(x: Array, w: Array) -> Array:
        x = xp.reshape(fft.rfftn(x, s=lengths, axes=axes), left)
        w = xp.reshape(fft.rfftn(w, s=lengths, axes=axes), right)
        found = multiply(x, xp.conj(w) if correlate else w)
        found = xp.reshape(found, (*step.shape[:2], *spectrum))
        found = fft.irfftn(found, s=lengths, axes=axes)
        return xp.astype(found, dtype, copy=False)

    return run


def _elementwise(xp: Any, names: tuple[str, str, str], sizes: dict[str, int]) -> Kernel:
    first, second, result = names
    order = "i" + result
    fits = [_aligned(xp, own, order, sizes) for own in (first, second)]
    alone = sizes["i"] == 1

    def run(x: Array, w: Array) -> Array:
        found = fits[0](x) * fits[1](w)
        return found[0, ...] if alone else xp.sum(found, axis=0, dtype=x.dtype)

    return run


def _aligned(xp: Any, own: str, order: str, sizes: dict[str, int]) -> Kernel:
    """Axes ``own`` in another order, with axes of length 1 for those it lacks."""
    permutation = tuple(own.index(a) for a in order if a in own)
    shape = tuple(sizes[a] if a in own else 1 for a in order)
    return lambda x: xp.reshape(xp.permute_dims(x, permutation), shape)


def _matrices(xp: Any, matmul: Kernel, names: tuple[str, str, str]) -> Kernel:
    first, second, result = names
    left, right = (
        tuple(own.index(a) for a in order)
        for own, order in ((first, "fgri"), (second, "fgic"))
    )
    back = tuple("fgrc".index(a) for a in result)

    def run(x: Array, w: Array) -> Array:
        found = matmul(xp.permute_dims(x, left), xp.permute_dims(w, right))
        return xp.permute_dims(found, back)

    return run
