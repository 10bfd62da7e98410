"""Convolutions as labeled tensor networks, on any array library.

Convolutions here are cross-correlations, as in every deep-learning library: the kernel
is not flipped.
"""

from tnconv import networks
from tnconv.errors import (
    ArgumentError,
    ArrayError,
    MemoryLimitError,
    MissingDependencyError,
    NetworkError,
    NotationError,
    TnconvError,
)
from tnconv.execution.expression import Expression, clear_caches, expression
from tnconv.functions import (
    contract,
    conv,
    conv_bias_vjp,
    conv_input_vjp,
    conv_jvp,
    conv_transpose,
    conv_transpose_bias_vjp,
    conv_transpose_input_vjp,
    conv_transpose_jvp,
    conv_transpose_weight_jacobian,
    conv_transpose_weight_vjp,
    conv_weight_jacobian,
    conv_weight_vjp,
    fold,
    toeplitz,
    unfold,
    unfold_transpose,
)
from tnconv.network import Network
from tnconv.notation import parse
from tnconv.options import options
from tnconv.pattern import IndexPattern
from tnconv.rewrite import simplify

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArrayError",
    "Expression",
    "IndexPattern",
    "MemoryLimitError",
    "MissingDependencyError",
    "Network",
    "NetworkError",
    "NotationError",
    "TnconvError",
    "__version__",
    "clear_caches",
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
    "expression",
    "fold",
    "networks",
    "options",
    "parse",
    "simplify",
    "toeplitz",
    "unfold",
    "unfold_transpose",
]
