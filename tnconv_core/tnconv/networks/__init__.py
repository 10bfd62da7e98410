"""Shapes in, networks out: a builder for every operation; none of them touches data."""

from tnconv.networks.conv import conv
from tnconv.networks.curvature import (
    kfac_input_factor,
    kfac_output_factor,
    kfac_transpose_input_factor,
)
from tnconv.networks.gradient import (
    conv_bias_jvp,
    conv_bias_vjp,
    conv_input_jvp,
    conv_input_vjp,
    conv_weight_jacobian,
    conv_weight_jvp,
    conv_weight_vjp,
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
    "conv",
    "conv_bias_jvp",
    "conv_bias_vjp",
    "conv_input_jvp",
    "conv_input_vjp",
    "conv_transpose",
    "conv_transpose_bias_jvp",
    "conv_transpose_bias_vjp",
    "conv_transpose_input_jvp",
    "conv_transpose_input_vjp",
    "conv_transpose_weight_jacobian",
    "conv_transpose_weight_jvp",
    "conv_transpose_weight_vjp",
    "conv_weight_jacobian",
    "conv_weight_jvp",
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
