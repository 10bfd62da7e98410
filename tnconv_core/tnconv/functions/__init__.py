"""Arrays in, arrays out: every operation as a function."""

from tnconv.functions.contract import contract
from tnconv.functions.conv import conv
from tnconv.functions.curvature import (
    kfac_input_factor,
    kfac_output_factor,
    kfac_transpose_input_factor,
)
from tnconv.functions.gradient import (
    conv_bias_vjp,
    conv_input_vjp,
    conv_jvp,
    conv_weight_jacobian,
    conv_weight_vjp,
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
from tnconv.functions.unfolded import unfolded_inputs, unfolded_transpose_inputs

__all__ = [
    "contract",
    "conv",
    "conv_bias_vjp",
    "conv_input_vjp",
    "conv_jvp",
    "conv_transpose",
    "conv_transpose_bias_vjp",
    "conv_transpose_input_vjp",
    "conv_transpose_jvp",
    "conv_transpose_weight_jacobian",
    "conv_transpose_weight_vjp",
    "conv_weight_jacobian",
    "conv_weight_vjp",
    "fold",
    "kfac_input_factor",
    "kfac_output_factor",
    "kfac_transpose_input_factor",
    "toeplitz",
    "unfold",
    "unfold_transpose",
    "unfolded_inputs",
    "unfolded_transpose_inputs",
]
