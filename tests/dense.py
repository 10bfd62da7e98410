"""Curvature quantities from dense Jacobians, as they are defined, for NumPy arrays.

The Jacobians are those of the oracle's plain loops; what follows is matrices.
Signatures are those of the public functions; ``transposed`` says of which layer, and
with ``conv_transpose_`` ahead of a name it is set.
"""

from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests import oracles
from tests.positions import per_axis

Array = NDArray[Any]


def __getattr__(name: str) -> Any:
    rest = name.removeprefix("conv_transpose_")
    known = {**globals(), "weight_vjp_squared_norm": conv_weight_vjp_squared_norm}
    if rest == name or rest not in known:
        raise AttributeError(name)
    return partial(known[rest], transposed=True)


def weight_jacobian(
    x: Array, out_channels: int, kernel_size: Any, hyper: dict[str, Any]
) -> tuple[Array, tuple[int, ...]]:
    """(batch, output entries, weight entries), a batch of 1 where there is none; and
    the shape of the weight."""
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    x, _ = oracles.batched(x, axes)
    hyper = dict(hyper)
    made = oracles.conv_weight_jacobian
    if hyper.pop("transposed", False):
        made = oracles.conv_transpose_weight_jacobian
    full = made(x, out_channels, kernel_size, **hyper)
    weight = full.shape[2 + axes :]
    return full.reshape(len(x), prod(full.shape[1 : 2 + axes]), prod(weight)), weight


def rows(
    x: Array, sqrt_curvature: Array, kernel_size: Any, hyper: dict[str, Any]
) -> tuple[Array, tuple[int, ...]]:
    """Square root times Jacobian: (v, batch, weight entries)."""
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    channels = sqrt_curvature.shape[-1 - axes]
    jacobian, weight = weight_jacobian(x, channels, kernel_size, hyper)
    batch, entries, _ = jacobian.shape
    root = sqrt_curvature.reshape(len(sqrt_curvature), batch, entries)
    return np.einsum("vnr,nrw->vnw", root, jacobian), weight


def is_batched(x: Array, kernel_size: Any) -> bool:
    return isinstance(kernel_size, int) or x.ndim == len(kernel_size) + 2


def squares(array: Array) -> Array:
    return array * array.conj()


def conv_weight_vjp_squared_norm(
    x: Array, cotangent: Array, kernel_size: Any, **hyper: Any
) -> Array:
    found = squares(rows(x, cotangent[None], kernel_size, hyper)[0]).sum(-1)[0]
    return np.asarray(found if is_batched(x, kernel_size) else found[0])


def ggn_diagonal(
    x: Array,
    sqrt_curvature: Array,
    kernel_size: Any,
    *,
    per_example: bool = False,
    **hyper: Any,
) -> Array:
    every, weight = rows(x, sqrt_curvature, kernel_size, hyper)
    found = squares(every).sum(0).reshape(every.shape[1], *weight)
    whole = per_example and is_batched(x, kernel_size)
    return np.asarray(found if whole else found.sum(0))


def ggn_block(x: Array, sqrt_curvature: Array, kernel_size: Any, **hyper: Any) -> Array:
    every, _ = rows(x, sqrt_curvature, kernel_size, hyper)
    return np.asarray(np.einsum("vna,vnb->ab", every, every.conj()))


def gram(x: Array, sqrt_curvature: Array, kernel_size: Any, **hyper: Any) -> Array:
    every, _ = rows(x, sqrt_curvature, kernel_size, hyper)
    flat = every.reshape(every.shape[0] * every.shape[1], every.shape[2])
    return np.asarray(flat @ flat.conj().T)


def jacobian_gram(x: Array, out_channels: int, kernel_size: Any, **hyper: Any) -> Array:
    jacobian, _ = weight_jacobian(x, out_channels, kernel_size, hyper)
    flat = jacobian.reshape(jacobian.shape[0] * jacobian.shape[1], jacobian.shape[2])
    return np.asarray(flat @ flat.conj().T)


def matrices(
    every: Array, weight: tuple[int, ...], groups: int, transposed: bool
) -> Array:
    """Flat weights as matrices for each group: what is made, times what is read."""
    lead, inner = every.shape[:-1], weight[0] // groups
    if not transposed:
        return every.reshape(*lead, groups, inner, prod(weight[1:]))
    taps = prod(weight[2:])
    split = np.moveaxis(every.reshape(*lead, groups, inner, weight[1], taps), -2, -3)
    return split.reshape(*lead, groups, weight[1], inner * taps)


def ekfac_correction(
    x: Array,
    sqrt_curvature: Array,
    input_basis: Array,
    output_basis: Array,
    kernel_size: Any,
    **hyper: Any,
) -> Array:
    every, weight = rows(x, sqrt_curvature, kernel_size, hyper)
    groups = hyper.get("groups", 1)
    matrix = matrices(every, weight, groups, hyper.get("transposed", False))
    left, right = output_basis.conj(), input_basis.conj()
    rotated = np.einsum("vngda,gdp,gaq->vngpq", matrix, left, right)
    return np.asarray(squares(rotated).sum((0, 1)))


def ggn_product(
    x: Array, sqrt_curvature: Array, vector: Array, kernel_size: Any, **hyper: Any
) -> Array:
    matrix = ggn_block(x, sqrt_curvature, kernel_size, **hyper)
    return np.asarray((matrix @ vector.reshape(-1)).reshape(vector.shape))


def gram_product(
    x: Array, sqrt_curvature: Array, vector: Array, kernel_size: Any, **hyper: Any
) -> Array:
    matrix = gram(x, sqrt_curvature, kernel_size, **hyper)
    return np.asarray((matrix @ vector.reshape(-1)).reshape(vector.shape))


def kfac_product(
    input_factor: Array, output_factor: Array, vector: Array, transposed: bool = False
) -> Array:
    groups, flat = len(input_factor), vector.reshape(-1)
    parts = matrices(flat, vector.shape, groups, transposed)
    found = output_factor @ parts @ input_factor.mT
    if transposed:
        split = (groups, vector.shape[1], vector.shape[0] // groups, -1)
        if found.size:
            found = np.moveaxis(found.reshape(split), 1, 2)
    return np.asarray(found.reshape(vector.shape))


def input_jacobian(
    weight: Array, input_size: Any, hyper: dict[str, Any]
) -> tuple[Array, tuple[int, ...]]:
    """(output entries, input entries), and the shape of the input."""
    hyper = dict(hyper)
    sizes = per_axis(input_size, weight.ndim - 2)
    if not hyper.pop("transposed", False):
        own = (weight.shape[1] * hyper.get("groups", 1), *sizes)
        return oracles.toeplitz(weight, input_size, **hyper), own
    own = (weight.shape[0], *sizes)

    def layer(x: Array) -> Array:
        return oracles.conv_transpose(x, weight, **hyper)

    full = oracles.jacobian(layer, own, weight.dtype)
    return full.reshape(prod(full.shape[: -len(own)]), prod(own)), own


def input_hessian(
    weight: Array, hessian: Array, input_size: Any, **hyper: Any
) -> Array:
    jacobian, own = input_jacobian(weight, input_size, hyper)
    lead = hessian.shape[: hessian.ndim - 2 * len(own)]
    full = hessian.reshape(*lead, len(jacobian), len(jacobian))
    found = np.einsum("ra,...rs,sb->...ab", jacobian, full, jacobian.conj())
    return np.asarray(found.reshape(*lead, *own, *own))


def hessian_block(
    x: Array,
    hessian: Array,
    kernel_size: Any,
    *,
    per_example: bool = False,
    **hyper: Any,
) -> Array:
    channels = hessian.shape[1 if is_batched(x, kernel_size) else 0]
    jacobian, _ = weight_jacobian(x, channels, kernel_size, hyper)
    full = hessian.reshape(len(jacobian), jacobian.shape[1], jacobian.shape[1])
    found = np.einsum("nra,nrs,nsb->nab", jacobian, full, jacobian.conj())
    whole = per_example and is_batched(x, kernel_size)
    return np.asarray(found if whole else found.sum(0))


def bias_hessian(
    hessian: Array, *, per_example: bool = False, batched: bool = True
) -> Array:
    full = hessian if batched else hessian[None]
    axes = (full.ndim - 1) // 2 - 1
    positions = (*range(2, 2 + axes), *range(3 + axes, 3 + 2 * axes))
    found = full.sum(positions)
    return np.asarray(found if per_example and batched else found.sum(0))


def hessian_diagonal(
    x: Array,
    diagonal: Array,
    kernel_size: Any,
    *,
    per_example: bool = False,
    **hyper: Any,
) -> Array:
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    channels = diagonal.shape[-1 - axes]
    jacobian, weight = weight_jacobian(x, channels, kernel_size, hyper)
    flat = diagonal.reshape(jacobian.shape[:2])
    found = np.einsum("nr,nra->na", flat, squares(jacobian))
    whole = per_example and is_batched(x, kernel_size)
    lead = (len(jacobian),) if whole else ()
    return np.asarray((found if whole else found.sum(0)).reshape(*lead, *weight))


def input_hessian_diagonal(
    weight: Array, diagonal: Array, input_size: Any, **hyper: Any
) -> Array:
    jacobian, own = input_jacobian(weight, input_size, hyper)
    lead = diagonal.shape[: diagonal.ndim - len(own)]
    flat = diagonal.reshape(*lead, len(jacobian))
    return np.asarray((flat @ squares(jacobian)).reshape(*lead, *own))
