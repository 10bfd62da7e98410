"""Curvature of a transposed convolution, made of its Jacobians as for any other.

Each function is the twin of the one without ``conv_transpose_``, on the network of the
transposed layer: the weight is (in_channels, out_channels/groups, *kernel_size), and
keywords are those of :func:`tnconv.conv_transpose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from tnconv.network import Network
from tnconv.networks import hessian, products, quadratic
from tnconv.networks.checks import Ints, Site, Weight
from tnconv.networks.geometry import TransposedHyper
from tnconv.networks.layer import TRANSPOSED
from tnconv.networks.products import applied
from tnconv.networks.quadratic import rooted


def conv_transpose_weight_vjp_squared_norm(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of each example's squared gradient norm: ``x``, ``cotangent``.

    >>> conv_transpose_weight_vjp_squared_norm((5, 4, 4), (5, 2, 9), 3, stride=2).shape
    (5,)
    """
    name = "conv_transpose_weight_vjp_squared_norm"
    site = Site.of(name, x=x_shape, cotangent=cotangent_shape)
    return quadratic.squared_norm(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_ggn_diagonal(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the GGN's diagonal, shaped like the weight.

    >>> conv_transpose_ggn_diagonal((5, 4, 4), (10, 5, 2, 9), 3, stride=2).shape
    (4, 2, 3)
    """
    site = rooted("conv_transpose_ggn_diagonal", x_shape, sqrt_curvature_shape)
    return quadratic.diagonal(site, kernel_size, per_example, TRANSPOSED, hyper)


def conv_transpose_ggn_block(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the layer's block of the GGN.

    >>> conv_transpose_ggn_block((5, 4, 4), (10, 5, 2, 9), 3, stride=2).shape
    (24, 24)
    """
    site = rooted("conv_transpose_ggn_block", x_shape, sqrt_curvature_shape)
    return quadratic.block(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_gram(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the GGN's Gram matrix, ``v`` outermost.

    >>> conv_transpose_gram((5, 4, 4), (10, 5, 2, 9), 3, stride=2).shape
    (50, 50)
    """
    site = rooted("conv_transpose_gram", x_shape, sqrt_curvature_shape)
    return quadratic.rows_gram(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_jacobian_gram(
    x_shape: Sequence[int],
    out_channels: int,
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the weight Jacobian times its adjoint.

    >>> conv_transpose_jacobian_gram((5, 4, 4), 2, 3, stride=2).shape
    (90, 90)
    """
    site = Site.of("conv_transpose_jacobian_gram", x=x_shape)
    channels = out_channels
    return quadratic.outputs_gram(site, channels, kernel_size, TRANSPOSED, hyper)


def conv_transpose_ekfac_correction(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    input_basis_shape: Sequence[int],
    output_basis_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the GGN's diagonal in the eigenbases of its Kronecker factors.

    ``input_basis`` is (groups, d * prod(kernel_size), q) with ``d`` the input channels
    of one group, ``output_basis`` (groups, c, p) with ``c`` its output channels.

    >>> s, bases = (10, 5, 2, 9), ((1, 12, 12), (1, 2, 2))
    >>> conv_transpose_ekfac_correction((5, 4, 4), s, *bases, 3, stride=2).shape
    (1, 2, 12)
    """
    site = Site.of(
        "conv_transpose_ekfac_correction",
        x=x_shape,
        sqrt_curvature=sqrt_curvature_shape,
        input_basis=input_basis_shape,
        output_basis=output_basis_shape,
    )
    return quadratic.rotated_diagonal(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_ggn_product(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    vector_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the GGN times a vector shaped like the weight.

    >>> s, vector = (10, 5, 2, 9), (4, 2, 3)
    >>> conv_transpose_ggn_product((5, 4, 4), s, vector, 3, stride=2).shape
    (4, 2, 3)
    """
    name = "conv_transpose_ggn_product"
    site = applied(name, x_shape, sqrt_curvature_shape, vector_shape)
    return products.block_product(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_gram_product(
    x_shape: Sequence[int],
    sqrt_curvature_shape: Sequence[int],
    vector_shape: Sequence[int],
    kernel_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the Gram matrix times a vector of shape (v, [batch]).

    >>> s, vector = (10, 5, 2, 9), (10, 5)
    >>> conv_transpose_gram_product((5, 4, 4), s, vector, 3, stride=2).shape
    (10, 5)
    """
    name = "conv_transpose_gram_product"
    site = applied(name, x_shape, sqrt_curvature_shape, vector_shape)
    return products.rows_product(site, kernel_size, TRANSPOSED, hyper)


def conv_transpose_kfac_product(
    input_factor_shape: Sequence[int],
    output_factor_shape: Sequence[int],
    vector_shape: Sequence[int],
) -> Network:
    """The network of a Kronecker product of factors times a vector.

    ``input_factor`` is (groups, a, a) with ``a = d * prod(kernel_size)`` for ``d``
    input channels of one group, ``output_factor`` (groups, c, c), and ``vector`` shaped
    like the weight.

    >>> conv_transpose_kfac_product((1, 12, 12), (1, 2, 2), (4, 2, 3)).shape
    (4, 2, 3)
    """
    site = Site.of(
        "conv_transpose_kfac_product",
        input_factor=input_factor_shape,
        output_factor=output_factor_shape,
        vector=vector_shape,
    )
    return products.factors_product(site, "d", "c")


def conv_transpose_input_hessian(
    weight_shape: Weight,
    hessian_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the loss's Hessian at the input, with ``weight`` and ``hessian``.

    >>> hessian = (5, 2, 9, 2, 9)
    >>> conv_transpose_input_hessian((4, 2, 3), hessian, 4, stride=2).shape
    (5, 4, 4, 4, 4)
    """
    name = "conv_transpose_input_hessian"
    site = Site.of(name, weight=weight_shape, hessian=hessian_shape)
    return hessian.hessian_of_input(site, input_size, TRANSPOSED, hyper)


def conv_transpose_input_hessian_diagonal(
    weight_shape: Weight,
    diagonal_shape: Sequence[int],
    input_size: Ints,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the Hessian's diagonal at the input: ``weight``, ``diagonal``.

    >>> diagonal = (5, 2, 9)
    >>> conv_transpose_input_hessian_diagonal((4, 2, 3), diagonal, 4, stride=2).shape
    (5, 4, 4)
    """
    name = "conv_transpose_input_hessian_diagonal"
    site = Site.of(name, weight=weight_shape, diagonal=diagonal_shape)
    return hessian.diagonal_of_input(site, input_size, TRANSPOSED, hyper)


def conv_transpose_hessian_block(
    x_shape: Sequence[int],
    hessian_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the loss's Hessian in the weight, with ``x`` and ``hessian``.

    >>> hessian = (5, 2, 9, 2, 9)
    >>> conv_transpose_hessian_block((5, 4, 4), hessian, 3, stride=2).shape
    (24, 24)
    """
    site = Site.of("conv_transpose_hessian_block", x=x_shape, hessian=hessian_shape)
    return hessian.hessian_of_weight(site, kernel_size, per_example, TRANSPOSED, hyper)


def conv_transpose_hessian_diagonal(
    x_shape: Sequence[int],
    diagonal_shape: Sequence[int],
    kernel_size: Ints,
    *,
    per_example: bool = False,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """The network of the Hessian's diagonal in the weight, with ``x`` and ``diagonal``.

    >>> diagonal = (5, 2, 9)
    >>> conv_transpose_hessian_diagonal((5, 4, 4), diagonal, 3, stride=2).shape
    (4, 2, 3)
    """
    site = Site.of(
        "conv_transpose_hessian_diagonal", x=x_shape, diagonal=diagonal_shape
    )
    return hessian.diagonal_of_weight(site, kernel_size, per_example, TRANSPOSED, hyper)
