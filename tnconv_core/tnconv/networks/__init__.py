"""Shapes in, networks out: a builder for every operation; none of them touches data."""

from tnconv.networks.conv import conv
from tnconv.networks.curvature import (
    kfac_input_factor,
    kfac_output_factor,
    kfac_transpose_input_factor,
)
from tnconv.networks.factorized import conv_factor_vjp, conv_transpose_factor_vjp
from tnconv.networks.gradient import (
    conv_bias_jvp,
    conv_bias_vjp,
    conv_input_jvp,
    conv_input_vjp,
    conv_weight_jacobian,
    conv_weight_jvp,
    conv_weight_vjp,
)
from tnconv.networks.hessian import (
    bias_hessian,
    hessian_block,
    hessian_diagonal,
    input_hessian,
    input_hessian_diagonal,
)
from tnconv.networks.products import ggn_product, gram_product, kfac_product
from tnconv.networks.quadratic import (
    conv_weight_vjp_squared_norm,
    ekfac_correction,
    ggn_block,
    ggn_diagonal,
    gram,
    jacobian_gram,
)
from tnconv.networks.sampling import (
    fold,
    toeplitz,
    unfold,
    unfold_transpose,
)
from tnconv.networks.transposed import (
    conv_transpose,
    conv_transpose_bias_jvp,
    conv_transpose_bias_vjp,
    conv_transpose_input_jvp,
    conv_transpose_input_vjp,
    conv_transpose_weight_jacobian,
    conv_transpose_weight_jvp,
    conv_transpose_weight_vjp,
)
from tnconv.networks.unfolded import unfolded_inputs, unfolded_transpose_inputs

__all__ = [
    "bias_hessian",
    "conv",
    "conv_bias_jvp",
    "conv_bias_vjp",
    "conv_factor_vjp",
    "conv_input_jvp",
    "conv_input_vjp",
    "conv_transpose",
    "conv_transpose_bias_jvp",
    "conv_transpose_bias_vjp",
    "conv_transpose_factor_vjp",
    "conv_transpose_input_jvp",
    "conv_transpose_input_vjp",
    "conv_transpose_weight_jacobian",
    "conv_transpose_weight_jvp",
    "conv_transpose_weight_vjp",
    "conv_weight_jacobian",
    "conv_weight_jvp",
    "conv_weight_vjp",
    "conv_weight_vjp_squared_norm",
    "ekfac_correction",
    "fold",
    "ggn_block",
    "ggn_diagonal",
    "ggn_product",
    "gram",
    "gram_product",
    "hessian_block",
    "hessian_diagonal",
    "input_hessian",
    "input_hessian_diagonal",
    "jacobian_gram",
    "kfac_input_factor",
    "kfac_output_factor",
    "kfac_product",
    "kfac_transpose_input_factor",
    "toeplitz",
    "unfold",
    "unfold_transpose",
    "unfolded_inputs",
    "unfolded_transpose_inputs",
]
