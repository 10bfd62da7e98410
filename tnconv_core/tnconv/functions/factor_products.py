"""The GGN in the factors of a kernel, times a vector: arrays in and arrays out.

In the factors a layer is not linear, so their GGN is that at the factors given. It is
never formed: a tangent of all factors is pushed forward and meets the square root of
the curvature, and what comes of it is pulled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.kernel import FactorizedKernel
from tnconv.functions.arguments import HYPER, TRANSPOSED, hyper, operation
from tnconv.functions.call import Operation, call
from tnconv.functions.factorized import conv_factor_vjps, conv_transpose_factor_vjps
from tnconv.networks import factorized
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

READ = ("x", "sqrt_curvature", "weight", "weight_tangent")
ROWS = operation(factorized.ggn_rows_terms, READ, HYPER)
TRANSPOSE_ROWS = operation(factorized.conv_transpose_ggn_rows_terms, READ, TRANSPOSED)
WEIGHTED = operation(factorized.weighted_rows, ("sqrt_curvature", "rows"), ())


def ggn_factor_product(
    x: Any,
    sqrt_curvature: Any,
    kernel: FactorizedKernel,
    vector: Sequence[Any] | FactorizedKernel,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> tuple[Any, ...]:
    """Multiply the GGN in the factors of a kernel by a vector of all of them.

    It is the layer's whole block, with the parts between one factor and another; for
    the block of one factor give zeros for the others.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel: the factorized kernel, at whose factors the GGN is taken.
        vector: an array for each factor, in their order and shaped like them; or a
            kernel with these (``kernel.with_factors``).
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        An array for each factor, shaped like it; may be given as ``vector`` again.

    Raises:
        ArgumentError: sizes do not fit, or ``kernel`` is no factorized kernel.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Schraudolph, *Fast curvature matrix-vector products for second-order
    gradient descent*, Neural Computation 2002, in the factors as parameters.

    >>> import numpy as np
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b))
    >>> x, s = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[[1.0, 1.0]]]])
    >>> ggn_factor_product(x, s, kernel, (np.array([[1.0]]), 0.0 * b))
    (array([[2809.]]), array([[[318., 530.]]]))
    """
    vector = _tangent("ggn_factor_product", kernel, vector)
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
    cotangent = _weighted(ROWS, (x, sqrt_curvature, kernel, vector), arguments)
    keywords: Any = dict(zip(HYPER, arguments, strict=True))
    return conv_factor_vjps(x, cotangent, kernel, **keywords)


def conv_transpose_ggn_factor_product(
    x: Any,
    sqrt_curvature: Any,
    kernel: FactorizedKernel,
    vector: Sequence[Any] | FactorizedKernel,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    """Multiply the GGN in the factors of a transposed layer's kernel by a vector.

    Args:
        x: ([batch,] in_channels, *input_size).
        sqrt_curvature: (v, [batch,] out_channels, *output_size), a square root of the
            loss's curvature at the output: see :func:`tnconv.ggn_diagonal`.
        kernel: the factorized kernel of a transposed convolution.
        vector: as for :func:`tnconv.ggn_factor_product`.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        As :func:`tnconv.ggn_factor_product`.

    Raises:
        ArgumentError: sizes do not fit, or ``kernel`` is no factorized kernel.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Schraudolph, Neural Computation 2002, in the factors as parameters.

    >>> import numpy as np
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b), transposed=True)
    >>> x, s = np.array([[[1.0, 2.0]]]), np.ones((1, 1, 1, 4))
    >>> vector = (np.array([[1.0]]), 0.0 * b)
    >>> conv_transpose_ggn_factor_product(x, s, kernel, vector, stride=2)[0]
    array([[1089.]])
    """
    name = "conv_transpose_ggn_factor_product"
    vector = _tangent(name, kernel, vector)
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    cotangent = _weighted(
        TRANSPOSE_ROWS, (x, sqrt_curvature, kernel, vector), arguments
    )
    keywords: Any = dict(zip(TRANSPOSED, arguments, strict=True))
    return conv_transpose_factor_vjps(x, cotangent, kernel, **keywords)


def _tangent(name: str, kernel: Any, vector: Any) -> FactorizedKernel:
    """The vector as a kernel of tangents."""
    if not isinstance(kernel, FactorizedKernel):
        raise ArgumentError(
            f"{name}: kernel is no FactorizedKernel (got {kernel!r:.40}); for an array "
            "see ggn_product, conv_transpose_ggn_product"
        )
    if isinstance(vector, FactorizedKernel):
        return vector
    arrays = tuple(vector) if isinstance(vector, Sequence) else ()
    shapes = [getattr(array, "shape", None) for array in arrays]
    if [shape and tuple(shape) for shape in shapes] != [
        tuple(factor.shape) for factor in kernel.factors
    ]:
        raise ArgumentError(
            f"{name}: vector holds arrays of shapes {shapes}; give one shaped like "
            f"each factor of {kernel!r}"
        )
    return kernel.with_factors(arrays)


def _weighted(
    rows: Operation, given: tuple[Any, ...], arguments: tuple[Any, ...]
) -> Any:
    """The curvature at the output times the vector pushed forward."""
    return call(WEIGHTED, (given[1], call(rows, given, arguments)), ())
