"""Arrays in, arrays out: every operation as a function."""

from tnconv.functions.contract import contract
from tnconv.functions.conv import conv
from tnconv.functions.curvature import (
    kfac_input_factor,
    kfac_output_factor,
    kfac_transpose_input_factor,
)
from tnconv.functions.factor_products import (
    conv_transpose_ggn_factor_product,
    ggn_factor_product,
)
from tnconv.functions.factorized import (
    conv_factor_vjps,
    conv_transpose_factor_vjps,
    kfac_factors,
    kfac_transpose_factors,
)
from tnconv.functions.gradient import (
    conv_bias_vjp,
    conv_input_vjp,
    conv_jvp,
    conv_weight_jacobian,
    conv_weight_vjp,
)
from tnconv.functions.gram import gram, jacobian_gram
from tnconv.functions.hessian import (
    bias_hessian,
    hessian_block,
    hessian_diagonal,
    input_hessian,
    input_hessian_diagonal,
)
from tnconv.functions.operator import operator
from tnconv.functions.products import ggn_product, gram_product, kfac_product
from tnconv.functions.quadratic import (
    conv_weight_vjp_squared_norm,
    ekfac_correction,
    ggn_block,
    ggn_diagonal,
)
from tnconv.functions.sampling import fold, toeplitz, unfold, unfold_transpose
from tnconv.functions.transposed import (
    conv_transpose,
    conv_transpose_bias_vjp,
    conv_transpose_input_vjp,
    conv_transpose_jvp,
    conv_transpose_weight_jacobian,
    conv_transpose_weight_vjp,
)
from tnconv.functions.transposed_hessian import (
    conv_transpose_hessian_block,
    conv_transpose_hessian_diagonal,
    conv_transpose_input_hessian,
    conv_transpose_input_hessian_diagonal,
)
from tnconv.functions.transposed_products import (
    conv_transpose_ggn_product,
    conv_transpose_gram,
    conv_transpose_gram_product,
    conv_transpose_jacobian_gram,
    conv_transpose_kfac_product,
)
from tnconv.functions.transposed_quadratic import (
    conv_transpose_ekfac_correction,
    conv_transpose_ggn_block,
    conv_transpose_ggn_diagonal,
    conv_transpose_weight_vjp_squared_norm,
)
from tnconv.functions.unfolded import unfolded_inputs, unfolded_transpose_inputs

__all__ = [
    "bias_hessian",
    "contract",
    "conv",
    "conv_bias_vjp",
    "conv_factor_vjps",
    "conv_input_vjp",
    "conv_jvp",
    "conv_transpose",
    "conv_transpose_bias_vjp",
    "conv_transpose_ekfac_correction",
    "conv_transpose_factor_vjps",
    "conv_transpose_ggn_block",
    "conv_transpose_ggn_diagonal",
    "conv_transpose_ggn_factor_product",
    "conv_transpose_ggn_product",
    "conv_transpose_gram",
    "conv_transpose_gram_product",
    "conv_transpose_hessian_block",
    "conv_transpose_hessian_diagonal",
    "conv_transpose_input_hessian",
    "conv_transpose_input_hessian_diagonal",
    "conv_transpose_input_vjp",
    "conv_transpose_jacobian_gram",
    "conv_transpose_jvp",
    "conv_transpose_kfac_product",
    "conv_transpose_weight_jacobian",
    "conv_transpose_weight_vjp",
    "conv_transpose_weight_vjp_squared_norm",
    "conv_weight_jacobian",
    "conv_weight_vjp",
    "conv_weight_vjp_squared_norm",
    "ekfac_correction",
    "fold",
    "ggn_block",
    "ggn_diagonal",
    "ggn_factor_product",
    "ggn_product",
    "gram",
    "gram_product",
    "hessian_block",
    "hessian_diagonal",
    "input_hessian",
    "input_hessian_diagonal",
    "jacobian_gram",
    "kfac_factors",
    "kfac_input_factor",
    "kfac_output_factor",
    "kfac_product",
    "kfac_transpose_factors",
    "kfac_transpose_input_factor",
    "operator",
    "toeplitz",
    "unfold",
    "unfold_transpose",
    "unfolded_inputs",
    "unfolded_transpose_inputs",
]
