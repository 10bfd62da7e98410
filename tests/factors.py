"""Kronecker factors and unfolded inputs as plain loops, for NumPy arrays.

Part of :mod:`tests.oracles`; nothing here calls the library under test. A factor is
built row by row from the patches of one position after another, the constant feature
included; integers are summed first and divided once, rounding down.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.positions import Setting, conv_setting, per_axis, transposed_setting

Array = NDArray[Any]


def divided(array: Array, count: int) -> Array:
    """A quotient, of integers rounded down."""
    result: Array = array // count if array.dtype.kind in "iu" else array / count
    return result


def patches(
    x: Array,
    kernel_size: Any,
    setting_of: Callable[..., Setting],
    hyper: dict[str, Any],
    into: Callable[[Any], tuple[Any, Any]],
) -> tuple[Array, bool]:
    """(batch, groups, positions, channels, *kernel), and whether there is a batch.

    ``into`` gives (read, written) positions of one meeting of input and output.
    """
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    kernel, groups = per_axis(kernel_size, axes), hyper.get("groups", 1)
    has = x.ndim == axes + 2
    x = x if has else x[None]
    setting = setting_of(x.shape[2:], kernel, hyper)
    _, spatial = into((setting.input, setting.output))
    xg = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    out = np.zeros((*xg.shape[:3], *spatial, *kernel), x.dtype)
    for i, o, k in setting:
        read, written = into((i, o))
        out[(..., *written, *k)] += xg[(..., *read)]
    flat = out.reshape(*xg.shape[:3], math.prod(spatial), *kernel)
    return np.moveaxis(flat, 2, 3), has


def rows(
    found: Array, grouping: str, outermost: str, bias: bool
) -> tuple[Array, Array | None, int]:
    """Patches with one axis of features, the constant, and what to divide them by."""
    averaged = 1
    if grouping == "average":
        averaged, found = found.shape[1], found.sum(1, keepdims=True)
    if outermost == "kernel":
        found = np.moveaxis(found, 3, -1)
    flat = found.reshape(*found.shape[:3], math.prod(found.shape[3:]))
    ones = np.ones((*flat.shape[:3], 1), flat.dtype) if bias else None
    return flat, ones, averaged


def factor(
    found: Array,
    approximation: str,
    normalization: str,
    grouping: str = "block",
    outermost: str = "channel",
    bias: bool = False,
) -> Array:
    """The pairing of patches with themselves."""
    batch, positions = found.shape[0], found.shape[2]
    flat, ones, averaged = rows(found, grouping, outermost, bias)
    count = max(1, batch) if normalization in ("batch", "both") else 1
    if normalization in ("positions", "both"):
        count *= positions ** (2 if approximation == "reduce" else 1)
    parts = [(flat, averaged)] + ([(ones, 1)] if ones is not None else [])
    if approximation == "reduce":
        parts = [(part.sum(2, keepdims=True), by) for part, by in parts]
    blocks = [
        [
            divided(np.einsum("ngoa,ngob->gab", a, b.conj()), count * by * twice)
            for b, twice in parts
        ]
        for a, by in parts
    ]
    return np.block(blocks)


def unsquared(
    found: Array,
    has: bool,
    approximation: str,
    grouping: str,
    outermost: str,
    bias: bool,
) -> Array:
    """Patches, or their mean over positions, with the constant behind them."""
    flat, ones, by = rows(found, grouping, outermost, bias)
    if approximation == "reduce":
        by *= flat.shape[2]
        flat, ones = flat.sum(2), None if ones is None else ones[:, :, 0]
    out = divided(flat, by)
    out = out if ones is None else np.concatenate([out, ones], -1)
    return out if has else out[0]


def _of_conv(x: Array, kernel_size: Any, hyper: dict[str, Any]) -> tuple[Array, bool]:
    return patches(x, kernel_size, conv_setting, hyper, lambda io: (io[0], io[1]))


def _of_transposed(
    x: Array, kernel_size: Any, hyper: dict[str, Any]
) -> tuple[Array, bool]:
    return patches(x, kernel_size, transposed_setting, hyper, lambda io: (io[1], io[0]))


def kfac_input_factor(
    x: Array,
    kernel_size: Any,
    *,
    approximation: str = "expand",
    normalization: str = "both",
    grouping: str = "block",
    outermost: str = "channel",
    bias: bool = False,
    **hyper: Any,
) -> Array:
    found, _ = _of_conv(x, kernel_size, hyper)
    return factor(found, approximation, normalization, grouping, outermost, bias)


def kfac_transpose_input_factor(
    x: Array,
    kernel_size: Any,
    *,
    approximation: str = "expand",
    normalization: str = "both",
    grouping: str = "block",
    outermost: str = "channel",
    bias: bool = False,
    **hyper: Any,
) -> Array:
    found, _ = _of_transposed(x, kernel_size, hyper)
    return factor(found, approximation, normalization, grouping, outermost, bias)


def unfolded_inputs(
    x: Array,
    kernel_size: Any,
    *,
    approximation: str = "expand",
    grouping: str = "block",
    outermost: str = "channel",
    bias: bool = False,
    **hyper: Any,
) -> Array:
    found, has = _of_conv(x, kernel_size, hyper)
    return unsquared(found, has, approximation, grouping, outermost, bias)


def unfolded_transpose_inputs(
    x: Array,
    kernel_size: Any,
    *,
    approximation: str = "expand",
    grouping: str = "block",
    outermost: str = "channel",
    bias: bool = False,
    **hyper: Any,
) -> Array:
    found, has = _of_transposed(x, kernel_size, hyper)
    return unsquared(found, has, approximation, grouping, outermost, bias)


def kfac_output_factor(
    cotangent: Array,
    *,
    approximation: str = "expand",
    normalization: str = "none",
    loss_average: str = "none",
    groups: int = 1,
    batched: bool = True,
    columns: bool = False,
) -> Array:
    whole = cotangent if batched else np.expand_dims(cotangent, 1 if columns else 0)
    whole = whole if columns else whole[None]
    v, n, channels = whole.shape[:3]
    positions = math.prod(whole.shape[3:])
    found = whole.reshape(v, n, groups, channels // groups, positions)
    found = found.swapaxes(-1, -2)
    counts = {"none": 1, "batch": n, "positions": positions, "both": n * positions}
    by = {k: max(1, count) for k, count in counts.items()}
    if approximation == "reduce":
        found = found.sum(3, keepdims=True)
        by["positions"] *= max(1, positions)
        by["both"] *= max(1, positions)
    total = np.einsum("vngoa,vngob->gab", found, found.conj())
    return divided(total * max(1, counts[loss_average]), by[normalization])
