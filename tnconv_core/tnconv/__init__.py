"""Convolutions as labeled tensor networks, on any array library.

Convolutions here are cross-correlations, as in every deep-learning library: the kernel
is not flipped.

Operations that other packages register in the entry-point group ``tnconv.operations``
are attributes of this module too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tnconv.errors import (
    ArgumentError,
    ArrayError,
    MemoryLimitError,
    MissingDependencyError,
    NetworkError,
    NotationError,
    StoreError,
    TnconvError,
)
from tnconv.execution.expression import Expression, clear_caches, expression
from tnconv.network import Network
from tnconv.options import options
from tnconv.pattern import IndexPattern

if TYPE_CHECKING:
    from tnconv import networks
    from tnconv.factor import FactorizedKernel
    from tnconv.factor.decompose import decompose
    from tnconv.functions import (
        bias_hessian,
        conv_bias_vjp,
        conv_factor_vjps,
        conv_input_vjp,
        conv_jvp,
        conv_transpose,
        conv_transpose_bias_vjp,
        conv_transpose_ekfac_correction,
        conv_transpose_factor_vjps,
        conv_transpose_ggn_block,
        conv_transpose_ggn_diagonal,
        conv_transpose_ggn_factor_product,
        conv_transpose_ggn_product,
        conv_transpose_gram,
        conv_transpose_gram_product,
        conv_transpose_hessian_block,
        conv_transpose_hessian_diagonal,
        conv_transpose_input_hessian,
        conv_transpose_input_hessian_diagonal,
        conv_transpose_input_vjp,
        conv_transpose_jacobian_gram,
        conv_transpose_jvp,
        conv_transpose_kfac_product,
        conv_transpose_weight_jacobian,
        conv_transpose_weight_vjp,
        conv_transpose_weight_vjp_squared_norm,
        conv_weight_jacobian,
        conv_weight_vjp,
        conv_weight_vjp_squared_norm,
        ekfac_correction,
        fold,
        ggn_block,
        ggn_diagonal,
        ggn_factor_product,
        ggn_product,
        gram_product,
        hessian_block,
        hessian_diagonal,
        input_hessian,
        input_hessian_diagonal,
        jacobian_gram,
        kfac_factors,
        kfac_input_factor,
        kfac_output_factor,
        kfac_product,
        kfac_transpose_factors,
        kfac_transpose_input_factor,
        toeplitz,
        unfold,
        unfold_transpose,
        unfolded_inputs,
        unfolded_transpose_inputs,
    )
    from tnconv.functions.contract import contract
    from tnconv.functions.conv import conv
    from tnconv.functions.gram import gram
    from tnconv.functions.operator import operator
    from tnconv.notation import parse
    from tnconv.rewrite import simplify
    from tnconv.tuning import record, tune

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArrayError",
    "Expression",
    "FactorizedKernel",
    "IndexPattern",
    "MemoryLimitError",
    "MissingDependencyError",
    "Network",
    "NetworkError",
    "NotationError",
    "StoreError",
    "TnconvError",
    "__version__",
    "bias_hessian",
    "clear_caches",
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
    "decompose",
    "ekfac_correction",
    "expression",
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
    "networks",
    "operator",
    "options",
    "parse",
    "record",
    "simplify",
    "toeplitz",
    "tune",
    "unfold",
    "unfold_transpose",
    "unfolded_inputs",
    "unfolded_transpose_inputs",
]

#: what is imported when it is asked for, if it is no operation
_LATE = {
    "FactorizedKernel": "tnconv.factor",
    "decompose": "tnconv.factor.decompose",
    "parse": "tnconv.notation",
    "record": "tnconv.tuning",
    "simplify": "tnconv.rewrite",
    "tune": "tnconv.tuning",
}

if not TYPE_CHECKING:  # else a type checker would let every misspelled name pass

    def __getattr__(name: str) -> Any:
        """A late import: an operation, or one that an installed package registers."""
        if name == "networks":
            return import_module("tnconv.networks")
        if name in __all__:
            found = getattr(import_module(_LATE.get(name, "tnconv.functions")), name)
            globals()[name] = found  # asked for once
            return found
        from tnconv.execution.registry import load, plugins

        if not name.startswith("_") and name in plugins("tnconv.operations"):
            return load("tnconv.operations", name)
        raise AttributeError(
            f"module 'tnconv' has no attribute {name!r}, and no installed package "
            "registers an operation of that name in the entry-point group "
            "'tnconv.operations'"
        )


def __dir__() -> list[str]:
    from tnconv.execution.registry import plugins

    return sorted({*globals(), *__all__, *plugins("tnconv.operations")})
