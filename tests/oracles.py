"""Convolution operations as plain loops from their definition, for NumPy arrays.

Nothing here calls the library under test. The loops run over spatial positions;
channels inside a group are one product per position. Signatures are those of the public
functions.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.factors import kfac_input_factor as kfac_input_factor
from tests.factors import kfac_output_factor as kfac_output_factor
from tests.factors import kfac_transpose_input_factor as kfac_transpose_input_factor
from tests.factors import unfolded_inputs as unfolded_inputs
from tests.factors import unfolded_transpose_inputs as unfolded_transpose_inputs
from tests.positions import conv_setting, per_axis, transposed_setting

Array = NDArray[Any]
Linear = Callable[[Array], Array]


def at(*index: int) -> Any:
    """An index tuple that leaves the leading axes whole."""
    return (Ellipsis, *index)


def grouped(array: Array, groups: int, axis: int) -> Array:
    """Split a channel axis into (groups, channels of one group)."""
    shape = array.shape
    size = shape[axis] // groups
    return array.reshape(*shape[:axis], groups, size, *shape[axis + 1 :])


def merged(array: Array, axis: int) -> Array:
    """Undo :func:`grouped`."""
    shape = array.shape
    both = shape[axis] * shape[axis + 1]
    return array.reshape(*shape[:axis], both, *shape[axis + 2 :])


def batched(array: Array, axes: int) -> tuple[Array, bool]:
    """The array with a batch axis, and whether it had one."""
    has = array.ndim == axes + 2
    return (array if has else array[None]), has


def conv(x: Array, weight: Array, bias: Array | None = None, **hyper: Any) -> Array:
    """out[n, (g d), o] = sum over c, k of x[n, (g c), i] weight[(g d), c, k]."""
    axes, groups = weight.ndim - 2, hyper.get("groups", 1)
    x, has = batched(x, axes)
    setting = conv_setting(x.shape[2:], weight.shape[2:], hyper)
    xg, wg = grouped(x, groups, 1), grouped(weight, groups, 0)
    out = np.zeros((*xg.shape[:2], wg.shape[1], *setting.output), x.dtype)
    for i, o, k in setting:
        out[at(*o)] += np.einsum("ngc,gdc->ngd", xg[at(*i)], wg[at(*k)])
    out = merged(out, 1)
    if bias is not None:
        out = out + bias.reshape(-1, *(1,) * axes)
    return out if has else out[0]


def conv_weight_vjp(
    x: Array,
    cotangent: Array,
    kernel_size: Any,
    *,
    per_example: bool = False,
    **hyper: Any,
) -> Array:
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    kernel, groups = per_axis(kernel_size, axes), hyper.get("groups", 1)
    (x, has), (y, _) = batched(x, axes), batched(cotangent, axes)
    xg, yg = grouped(x, groups, 1), grouped(y, groups, 1)
    out = np.zeros((*yg.shape[:3], xg.shape[2], *kernel), x.dtype)
    for i, o, k in conv_setting(x.shape[2:], kernel, hyper):
        out[at(*k)] += np.einsum("ngc,ngd->ngdc", xg[at(*i)], yg[at(*o)])
    out = merged(out, 1)
    return out if per_example and has else out.sum(0)


def conv_input_vjp(
    weight: Array, cotangent: Array, input_size: Any, **hyper: Any
) -> Array:
    axes, groups = weight.ndim - 2, hyper.get("groups", 1)
    sizes = per_axis(input_size, axes)
    y, has = batched(cotangent, axes)
    wg, yg = grouped(weight, groups, 0), grouped(y, groups, 1)
    out = np.zeros((*yg.shape[:2], wg.shape[2], *sizes), y.dtype)
    for i, o, k in conv_setting(sizes, weight.shape[2:], hyper):
        out[at(*i)] += np.einsum("ngd,gdc->ngc", yg[at(*o)], wg[at(*k)])
    return merged(out, 1) if has else merged(out, 1)[0]


def conv_bias_vjp(
    cotangent: Array, *, per_example: bool = False, batched: bool = True
) -> Array:
    first = 2 if batched else 1
    out: Array = cotangent.sum(axis=tuple(range(first, cotangent.ndim)))
    return out if per_example or not batched else np.asarray(out.sum(axis=0))


def conv_weight_jacobian(
    x: Array, out_channels: int, kernel_size: Any, **hyper: Any
) -> Array:
    """One convolution per entry of the weight: the function is linear in it."""
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    in_channels = x.shape[x.ndim - axes - 1] // hyper.get("groups", 1)
    shape = (out_channels, in_channels, *per_axis(kernel_size, axes))
    return jacobian(lambda weight: conv(x, weight, **hyper), shape, x.dtype)


def jacobian(function: Linear, shape: tuple[int, ...], dtype: Any) -> Array:
    """The Jacobian of a linear function, a basis vector at a time."""
    value = function(np.zeros(shape, dtype))
    out = np.zeros((*value.shape, *shape), dtype)
    for index in np.ndindex(*shape):
        basis = np.zeros(shape, dtype)
        basis[index] = 1
        out[at(*index)] = function(basis)
    return out


def _summed_tangents(
    function: Any,
    x: Array,
    weight: Array,
    x_tangent: Array | None,
    weight_tangent: Array | None,
    bias_tangent: Array | None,
) -> Array:
    axes = weight.ndim - 2
    terms = []
    if x_tangent is not None:
        terms.append(function(x_tangent, weight))
    if weight_tangent is not None:
        terms.append(function(x, weight_tangent))
    if bias_tangent is not None:
        like = function(np.zeros_like(x), weight)
        terms.append(like + bias_tangent.reshape(-1, *(1,) * axes))
    total: Array = sum(terms[1:], terms[0])
    return total


def conv_jvp(
    x: Array,
    weight: Array,
    *,
    x_tangent: Array | None = None,
    weight_tangent: Array | None = None,
    bias_tangent: Array | None = None,
    **hyper: Any,
) -> Array:
    return _summed_tangents(
        lambda a, b: conv(a, b, **hyper),
        *(x, weight, x_tangent, weight_tangent, bias_tangent),
    )


def conv_transpose_jvp(
    x: Array,
    weight: Array,
    *,
    x_tangent: Array | None = None,
    weight_tangent: Array | None = None,
    bias_tangent: Array | None = None,
    **hyper: Any,
) -> Array:
    return _summed_tangents(
        lambda a, b: conv_transpose(a, b, **hyper),
        *(x, weight, x_tangent, weight_tangent, bias_tangent),
    )


def conv_transpose(
    x: Array, weight: Array, bias: Array | None = None, **hyper: Any
) -> Array:
    """out[n, (g c), i] = sum over d, o, k of x[n, (g d), o] weight[(g d), c, k]."""
    axes, groups = weight.ndim - 2, hyper.get("groups", 1)
    x, has = batched(x, axes)
    setting = transposed_setting(x.shape[2:], weight.shape[2:], hyper)
    xg, wg = grouped(x, groups, 1), grouped(weight, groups, 0)
    out = np.zeros((*xg.shape[:2], wg.shape[2], *setting.input), x.dtype)
    for i, o, k in setting:
        out[at(*i)] += np.einsum("ngd,gdc->ngc", xg[at(*o)], wg[at(*k)])
    out = merged(out, 1)
    if bias is not None:
        out = out + bias.reshape(-1, *(1,) * axes)
    return out if has else out[0]


def conv_transpose_weight_vjp(
    x: Array,
    cotangent: Array,
    kernel_size: Any,
    *,
    per_example: bool = False,
    **hyper: Any,
) -> Array:
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    kernel, groups = per_axis(kernel_size, axes), hyper.get("groups", 1)
    (x, has), (y, _) = batched(x, axes), batched(cotangent, axes)
    xg, yg = grouped(x, groups, 1), grouped(y, groups, 1)
    out = np.zeros((*xg.shape[:3], yg.shape[2], *kernel), x.dtype)
    for i, o, k in transposed_setting(x.shape[2:], kernel, hyper):
        out[at(*k)] += np.einsum("ngd,ngc->ngdc", xg[at(*o)], yg[at(*i)])
    out = merged(out, 1)
    return out if per_example and has else out.sum(0)


def conv_transpose_input_vjp(
    weight: Array, cotangent: Array, input_size: Any, **hyper: Any
) -> Array:
    axes, groups = weight.ndim - 2, hyper.get("groups", 1)
    sizes = per_axis(input_size, axes)
    y, has = batched(cotangent, axes)
    wg, yg = grouped(weight, groups, 0), grouped(y, groups, 1)
    out = np.zeros((*yg.shape[:2], wg.shape[1], *sizes), y.dtype)
    for i, o, k in transposed_setting(sizes, weight.shape[2:], hyper):
        out[at(*o)] += np.einsum("ngc,gdc->ngd", yg[at(*i)], wg[at(*k)])
    return merged(out, 1) if has else merged(out, 1)[0]


conv_transpose_bias_vjp = conv_bias_vjp


def conv_transpose_weight_jacobian(
    x: Array, out_channels: int, kernel_size: Any, **hyper: Any
) -> Array:
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    per_group = out_channels // hyper.get("groups", 1)
    shape = (x.shape[x.ndim - axes - 1], per_group, *per_axis(kernel_size, axes))
    return jacobian(lambda weight: conv_transpose(x, weight, **hyper), shape, x.dtype)


def unfold(x: Array, kernel_size: Any, **hyper: Any) -> Array:
    """columns[n, (c k), (o)] = x[n, c, i]."""
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    kernel = per_axis(kernel_size, axes)
    x, has = batched(x, axes)
    setting = conv_setting(x.shape[2:], kernel, hyper)
    out = np.zeros((*x.shape[:2], *kernel, *setting.output), x.dtype)
    for i, o, k in setting:
        out[at(*k, *o)] = x[at(*i)]
    out = out.reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(setting.output))
    return out if has else out[0]


def fold(columns: Array, output_size: Any, kernel_size: Any, **hyper: Any) -> Array:
    """out[n, c, i] = sum over o, k of columns[n, (c k), (o)]."""
    axes = len(kernel_size if isinstance(output_size, int) else output_size)
    kernel, sizes = per_axis(kernel_size, axes), per_axis(output_size, axes)
    columns, has = (columns, True) if columns.ndim == 3 else (columns[None], False)
    channels = columns.shape[1] // math.prod(kernel)
    setting = conv_setting(sizes, kernel, hyper)
    full = columns.reshape(len(columns), channels, *kernel, *setting.output)
    out = np.zeros((len(columns), channels, *sizes), columns.dtype)
    for i, o, k in setting:
        out[at(*i)] += full[at(*k, *o)]
    return out if has else out[0]


def unfold_transpose(x: Array, kernel_size: Any, **hyper: Any) -> Array:
    """columns[n, (c k), (i)] = x[n, c, o]."""
    axes = x.ndim - 2 if isinstance(kernel_size, int) else len(kernel_size)
    kernel = per_axis(kernel_size, axes)
    x, has = batched(x, axes)
    setting = transposed_setting(x.shape[2:], kernel, hyper)
    out = np.zeros((*x.shape[:2], *kernel, *setting.input), x.dtype)
    for i, o, k in setting:
        out[at(*k, *i)] = x[at(*o)]
    out = out.reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(setting.input))
    return out if has else out[0]


def toeplitz(weight: Array, input_size: Any, **hyper: Any) -> Array:
    """The Jacobian of the flattened output of one example in its flattened input."""
    sizes = per_axis(input_size, weight.ndim - 2)
    shape = (weight.shape[1] * hyper.get("groups", 1), *sizes)
    full = jacobian(lambda x: conv(x, weight, **hyper), shape, weight.dtype)
    return full.reshape(math.prod(full.shape[: -len(shape)]), math.prod(shape))
