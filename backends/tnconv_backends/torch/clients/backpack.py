"""BackPACK: what its first- and second-order extensions compute for convolutions.

    from tnconv_backends.torch.clients import backpack as tnconv_backpack

    tnconv_backpack.install()    # before the backward pass

Gradients for each example, their norms, the weight Jacobian's products, the diagonal of
the generalized Gauss-Newton matrix and KFAC's input factor are then contractions of the
layer as it is: groups, "same" padding and every padding mode.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

import torch

import tnconv
from tnconv import edits, networks
from tnconv.network import Network
from tnconv_backends.torch.clients.layers import keywords
from tnconv_backends.torch.clients.seams import late, replace

Tensor = torch.Tensor


def weight_products(
    layer: Any, x: Tensor, vectors: Tensor, per_example: bool
) -> Tensor:
    """Multiply vectors with the transposed Jacobian of the output in the weight.

    Args:
        layer: a convolution of ``torch.nn``, not transposed.
        x: (batch, in_channels, *input_size).
        vectors: (vectors, batch, out_channels, *output_size).
        per_example: keep the batch, one product per example.

    Returns:
        (vectors, *weight.shape), with the batch after the vectors if ``per_example``.

    Raises:
        ArgumentError: the arrays do not fit the layer.

    Source: Dangel, Kunstner and Hennig, *BackPACK*, ICLR 2020, for the quantity.

    >>> layer = torch.nn.Conv1d(1, 2, 3)
    >>> vectors = torch.ones(4, 5, 2, 7)
    >>> weight_products(layer, torch.ones(5, 1, 9), vectors, True).shape
    torch.Size([4, 5, 2, 1, 3])
    """
    hyper = tuple(keywords(layer).items())
    network = _products(
        tuple(x.shape), tuple(vectors.shape), layer.kernel_size, per_example, hyper
    )
    found: Tensor = tnconv.contract(network, x, vectors)
    return found


@lru_cache(maxsize=1024)
def _products(
    x: tuple[int, ...],
    vectors: tuple[int, ...],
    kernel_size: tuple[int, ...],
    per_example: bool,
    hyper: tuple[tuple[str, Any], ...],
) -> Network:
    """The weight's VJP with one more leg on the cotangent."""
    one = networks.conv_weight_vjp(
        x, vectors[1:], kernel_size, per_example=per_example, **dict(hyper)
    )
    return edits.batch(one, {"cotangent"}, vectors[0])


def input_factor(layer: Any, x: Tensor) -> Tensor:
    """Give the uncentered covariance of a convolution's unfolded input.

    Args:
        layer: a convolution of ``torch.nn`` in one group, not transposed.
        x: (batch, in_channels, *input_size).

    Returns:
        (features, features) with features = in_channels * prod(kernel_size), a sum over
        output positions and a mean over the batch.

    Raises:
        ArgumentError: the input does not fit the layer.

    Source: Grosse and Martens, *A Kronecker-factored approximate Fisher matrix for
    convolution layers*, ICML 2016, equation (32), without the division by the number
    of positions.

    >>> input_factor(torch.nn.Conv1d(1, 4, 2), torch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[ 5.,  8.],
            [ 8., 13.]])
    """
    found: Tensor = tnconv.kfac_input_factor(
        x,
        layer.kernel_size,
        approximation="expand",
        normalization="batch",
        **keywords(layer),
    )
    return found[0]


def install() -> ExitStack:
    """Put tnconv into BackPACK, until the stack that is returned is closed.

    Raises:
        MissingDependencyError: BackPACK is not installed, or is of another make.
    """
    derivatives = _late("core.derivatives.convnd").ConvNDDerivatives
    norms = _late("extensions.firstorder.batch_l2_grad.convnd").BatchL2ConvND
    diagonal = _late("extensions.secondorder.diag_ggn.convnd")
    factors = _late("extensions.secondorder.hbp.convnd").HBPConvNd
    stack = ExitStack()
    replace(stack, derivatives, "_weight_jac_t_mat_prod", _jacobian_products())
    replace(stack, norms, "weight", _squared_norms)
    replace(stack, diagonal.DiagGGNConvND, "weight", _diagonal(per_example=False))
    replace(stack, diagonal.BatchDiagGGNConvND, "weight", _diagonal(per_example=True))
    name = "_factors_from_input"
    replace(stack, factors, name, _factors(vars(factors)[name]))
    return stack


def _late(name: str) -> Any:
    return late(f"backpack.{name}", "backpack-for-pytorch==1.7.1")


# ---- methods, with BackPACK's own arguments


def _jacobian_products() -> Callable[..., Tensor]:
    subsample = _late("utils.subsampling").subsample

    def products(
        _: Any,
        module: Any,
        g_inp: Any,
        g_out: Any,
        mat: Tensor,
        sum_batch: bool = True,
        subsampling: list[int] | None = None,
    ) -> Tensor:
        x = subsample(module.input0, subsampling=subsampling)
        return weight_products(module, x, mat, not sum_batch)

    return products


def _squared_norms(
    _: Any, ext: Any, module: Any, g_inp: Any, g_out: Any, backproped: Any
) -> Tensor:
    found: Tensor = tnconv.conv_weight_vjp_squared_norm(
        module.input0, g_out[0], module.kernel_size, **keywords(module)
    )
    return found


def _diagonal(per_example: bool) -> Callable[..., Tensor]:
    def weight(
        _: Any, ext: Any, module: Any, g_inp: Any, g_out: Any, backproped: Tensor
    ) -> Tensor:
        found: Tensor = tnconv.ggn_diagonal(
            module.input0,
            backproped,
            module.kernel_size,
            per_example=per_example,
            **keywords(module),
        )
        return found

    return weight


def _factors(theirs: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    averages = _late("extensions.secondorder.hbp.hbp_options").ExpectationApproximation

    def factors(own: Any, ext: Any, module: Any) -> list[Tensor]:
        if averages.should_average_param_jac(ext.get_ea_strategy()):
            return theirs(own, ext, module)  # which says that it is not defined
        return [input_factor(module, module.input0)]

    return factors
