"""Gradients in the factors of a kernel, arrays in and arrays out."""

from __future__ import annotations

from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.kernel import FactorizedKernel
from tnconv.functions.arguments import HYPER, TRANSPOSED, hyper, operation
from tnconv.functions.call import Operation, call
from tnconv.functions.factor_vjps import TRANSPOSE_VJPS, VJPS
from tnconv.networks import factor_layers
from tnconv.networks.checks import Ints
from tnconv.networks.geometry import Padding, PaddingMode

READ = ("x", "cotangent", "weight")
LAYER_INPUT = operation(
    factor_layers.kfac_factor_input,
    ("x", "weight"),
    ("factor", "normalization", *HYPER),
)
LAYER_OUTPUT = operation(factor_layers.kfac_factor_output, READ, ("factor", *HYPER))
TRANSPOSE_LAYER_INPUT = operation(
    factor_layers.kfac_transpose_factor_input,
    ("x", "weight"),
    ("factor", "normalization", *TRANSPOSED),
)
TRANSPOSE_LAYER_OUTPUT = operation(
    factor_layers.kfac_transpose_factor_output, READ, ("factor", *TRANSPOSED)
)


def weight_jvp(
    of_array: Operation, of_factors: Operation, given: tuple[Any, ...], arguments: Any
) -> Any:
    """The part of a JVP that is due to the weight; ``given`` are input, weight and the
    weight's tangent. Where both are factorized, it is one of the factors."""
    x, weight, tangent = given
    if type(weight) is type(tangent) is FactorizedKernel:
        return call(of_factors, given, arguments)
    return call(of_array, (x, tangent), arguments)


def conv_factor_vjps(
    x: Any,
    cotangent: Any,
    kernel: FactorizedKernel,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> tuple[Any, ...]:
    """Pull a cotangent of a convolution's output back to the factors of its kernel.

    What the gradients have in common is contracted once: the products of the forward
    plan are pulled back one by one (:mod:`tnconv.functions.backward`). In half
    precision, under a memory limit and per example each gradient has a plan of its own.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel: the factorized kernel.
        per_example: keep the batch, one gradient per example.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        A gradient for each factor, in their order and shaped like them, with the batch
        as an axis before it if ``per_example``.

    Raises:
        ArgumentError: sizes do not fit, or ``kernel`` is no factorized kernel.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: the transpose of :func:`tnconv.conv` in each factor.

    >>> import numpy as np
    >>> from tnconv.factor import FactorizedKernel
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b))
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> conv_factor_vjps(x, np.ones((1, 1, 3)), kernel)
    (array([[96.]]), array([[[12., 18.]]]))
    """
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
    _check_kernel("conv_factor_vjps", kernel)
    given: tuple[Any, ...] = call(
        VJPS, (x, cotangent, kernel), (bool(per_example), *arguments)
    )
    return given


def conv_transpose_factor_vjps(
    x: Any,
    cotangent: Any,
    kernel: FactorizedKernel,
    *,
    per_example: bool = False,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    """Pull a cotangent of a transposed convolution back to the factors of its kernel.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), as the output is shaped.
        kernel: the factorized kernel.
        per_example: keep the batch, one gradient per example.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        As :func:`tnconv.conv_factor_vjps`.

    Raises:
        ArgumentError: sizes do not fit, or ``kernel`` is no factorized kernel.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: the transpose of :func:`tnconv.conv_transpose` in each factor.

    >>> import numpy as np
    >>> from tnconv.factor import FactorizedKernel
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b), transposed=True)
    >>> x, cotangent = np.array([[[1.0, 2.0]]]), np.ones((1, 1, 4))
    >>> conv_transpose_factor_vjps(x, cotangent, kernel, stride=2)[1]
    array([[[6., 6.]]])
    """
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    _check_kernel("conv_transpose_factor_vjps", kernel)
    given: tuple[Any, ...] = call(
        TRANSPOSE_VJPS, (x, cotangent, kernel), (bool(per_example), *arguments)
    )
    return given


def kfac_factors(
    x: Any,
    cotangent: Any,
    kernel: FactorizedKernel,
    *,
    normalization: str = "both",
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
) -> tuple[tuple[Any, Any], ...]:
    """Give the Kronecker factors (KFAC-expand) of each factor as a layer of its own.

    In the textbook chain, one layer per factor, let ``a[p]`` be what a factor reads at
    one position and ``g[p]`` the gradient of what it writes there. Its input factor is
    the sum over positions of ``a a^H``, its output factor that of ``g g^H``. A label
    that what comes before and what comes after both carry makes groups, as in a
    depthwise layer (:mod:`tnconv.networks.factor_layers`).

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), the gradient of the loss.
        kernel: the factorized kernel.
        normalization: what input factors are means over, as for
            :func:`tnconv.kfac_input_factor`; positions are those that the factor's
            layer writes.
        stride, padding, dilation, groups, padding_mode: as for :func:`tnconv.conv`.

    Returns:
        For each factor, in their order, its input factor (groups, a, a) and its output
        factor (groups, b, b): a and b are the sizes of its axes towards the layer's
        input (kernel positions among them) and output, flattened in their order.

    Raises:
        ArgumentError: sizes do not fit, or the network is no chain of factors.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Grosse and Martens, ICML 2016, applied to each layer of the chain.

    >>> import numpy as np
    >>> from tnconv.factor import FactorizedKernel
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b))
    >>> x, cotangent = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 1.0]]])
    >>> kfac_factors(x, cotangent, kernel, normalization="none")[1]
    (array([[[ 5.,  8.],
            [ 8., 13.]]]), array([[[8.]]]))
    """
    _check_kernel("kfac_factors", kernel)
    arguments = hyper(stride, padding, dilation, groups, padding_mode)
    layers = (LAYER_INPUT, LAYER_OUTPUT)
    return _both(layers, (x, cotangent, kernel), normalization, arguments)


def kfac_transpose_factors(
    x: Any,
    cotangent: Any,
    kernel: FactorizedKernel,
    *,
    normalization: str = "both",
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> tuple[tuple[Any, Any], ...]:
    """Give the Kronecker factors (KFAC-expand) of each factor of a transposed layer.

    Args:
        x: ([batch,] in_channels, *input_size).
        cotangent: ([batch,] out_channels, *output_size), the gradient of the loss.
        kernel: the factorized kernel of a transposed convolution.
        normalization: as for :func:`tnconv.kfac_factors`.
        stride, padding, output_padding, dilation, groups: as for
            :func:`tnconv.conv_transpose`.

    Returns:
        As :func:`tnconv.kfac_factors`.

    Raises:
        ArgumentError: sizes do not fit, or the network is no chain of factors.
        ArrayError: libraries, dtypes or devices of the arrays differ.

    Source: Grosse and Martens, ICML 2016, applied to each layer of the chain; a
    transposed layer reads, at a position of its output, what its kernel positions meet.

    >>> import numpy as np
    >>> from tnconv.factor import FactorizedKernel
    >>> a, b = np.array([[2.0]]), np.array([[[1.0, 10.0]]])
    >>> kernel = FactorizedKernel.of("svd-out", (1, 1, 2), (a, b), transposed=True)
    >>> x, cotangent = np.array([[[1.0, 2.0]]]), np.ones((1, 1, 3))
    >>> kfac_transpose_factors(x, cotangent, kernel, normalization="none")[1]
    (array([[[5., 2.],
            [2., 5.]]]), array([[[12.]]]))
    """
    _check_kernel("kfac_transpose_factors", kernel)
    arguments = hyper(stride, padding, output_padding, dilation, groups)
    layers = (TRANSPOSE_LAYER_INPUT, TRANSPOSE_LAYER_OUTPUT)
    return _both(layers, (x, cotangent, kernel), normalization, arguments)


def _both(
    layers: tuple[Operation, Operation],
    given: tuple[Any, Any, FactorizedKernel],
    normalization: str,
    arguments: tuple[Any, ...],
) -> tuple[tuple[Any, Any], ...]:
    """Input and output factor of every factor."""
    (read, written), (x, _, kernel) = layers, given
    return tuple(
        (
            call(read, (x, kernel), (name, normalization, *arguments)),
            call(written, given, (name, *arguments)),
        )
        for name in kernel.names
    )


def _check_kernel(operation: str, kernel: Any) -> None:
    if not isinstance(kernel, FactorizedKernel):
        raise ArgumentError(
            f"{operation}: kernel is no FactorizedKernel (got {kernel!r:.40}); for an "
            "array see conv_weight_vjp, conv_transpose_weight_vjp, kfac_input_factor"
        )
