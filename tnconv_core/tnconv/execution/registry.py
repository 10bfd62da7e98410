"""Finding backends and other plug-ins: entry points, or the built-in table without
them.

The built-ins are named by text here, so that a bare checkout works and importing tnconv
imports no array library.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from tnconv.errors import ArrayError, MissingDependencyError
from tnconv.execution.backend import Backend

#: group -> name -> "module:attribute"; the same as pyproject's entry points
BUILTIN: dict[str, dict[str, str]] = {
    "tnconv.backends": {
        "numpy": "tnconv_backends.numpy:NumPyBackend",
        "torch": "tnconv_backends.torch:TorchBackend",
        "cupy": "tnconv_backends.cupy:CuPyBackend",
        "jax": "tnconv_backends.jax:JAXBackend",
        "dask": "tnconv_backends.dask:DaskBackend",
        "array_api": "tnconv_backends.array_api:ArrayAPIBackend",
    },
    "tnconv.rules": {
        "standard": "tnconv_rules:STANDARD",
        "alternatives": "tnconv_rules:ALTERNATIVES",
    },
    "tnconv.commands": {
        "compress": "tnconv_backends.torch.compress.command:run",
        "layers": "tnconv_backends.torch.observed:layer_records",
    },
    "tnconv.forms": {"standard": "tnconv.planning.forms:FORMS"},
    "tnconv.operations": {
        name: f"tnconv.functions:{name}"
        for name in (
            "bias_hessian",
            "contract",
            "conv",
            "conv_bias_vjp",
            "conv_factor_vjps",
            "conv_input_vjp",
            "conv_jvp",
            "conv_transpose",
            "conv_transpose_bias_vjp",
            "conv_transpose_factor_vjps",
            "conv_transpose_input_vjp",
            "conv_transpose_jvp",
            "conv_transpose_weight_jacobian",
            "conv_transpose_weight_vjp",
            "conv_transpose_ekfac_correction",
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
            "conv_transpose_jacobian_gram",
            "conv_transpose_kfac_product",
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
            "kfac_product",
            "kfac_output_factor",
            "kfac_transpose_factors",
            "kfac_transpose_input_factor",
            "operator",
            "toeplitz",
            "unfold",
            "unfold_transpose",
            "unfolded_inputs",
            "unfolded_transpose_inputs",
        )
    },
}

#: the library whose arrays a built-in backend takes; not asked before it is imported
NEEDS = {
    "numpy": "numpy",
    "torch": "torch",
    "cupy": "cupy",
    "jax": "jax",
    "dask": "dask.array",
}


@cache
def plugins(group: str) -> dict[str, str]:
    """Everything registered in an entry-point group, built-ins first, not loaded.

    A built-in is never replaced: an entry point that takes its name is passed over.
    """
    from importlib.metadata import entry_points  # slow to import, rarely needed

    found = dict(BUILTIN[group])
    for entry in sorted(entry_points(group=group), key=lambda e: (e.name, e.value)):
        found.setdefault(entry.name, entry.value)
    return found


@cache
def load(group: str, name: str) -> Any:
    """The object that a plug-in names."""
    from importlib.metadata import EntryPoint

    return EntryPoint(name, plugins(group)[name], group).load()


@cache
def backend(name: str) -> Backend:
    """The backend of that name."""
    if name not in plugins("tnconv.backends"):
        known = ", ".join(sorted(plugins("tnconv.backends")))
        raise ArrayError(f"backend {name!r} is not known; there are: {known}")
    try:
        found: Backend = load("tnconv.backends", name)()
    except ImportError as error:
        remedy = f'install it with: pip install "tnconv[{name}]"'
        if name not in BUILTIN["tnconv.backends"]:
            remedy = f"see what {plugins('tnconv.backends')[name]} asks for"
        raise MissingDependencyError(
            f"backend {name!r} needs a library that is not installed ({error}); "
            f"{remedy}"
        ) from error
    return found


@cache
def backend_for(kind: Any) -> Backend:
    """The backend for arrays of a type; libraries that are not loaded are not asked."""
    names = [n for n in plugins("tnconv.backends") if n != "array_api"]
    broken = ""
    for name in (*names, "array_api"):
        if NEEDS.get(name, "sys") not in sys.modules:
            continue
        try:
            candidate = backend(name)
        except MissingDependencyError as error:  # of no concern to other arrays
            broken += f"; {error}"
            continue
        if candidate.accepts(kind):
            return candidate
    name = getattr(kind, "__qualname__", kind)
    raise ArrayError(
        f"{getattr(kind, '__module__', '')}.{name} is not an array of a known library; "
        "pass arrays of NumPy, PyTorch, CuPy, JAX or any library that follows the "
        f"Python array API standard{broken}"
    )
