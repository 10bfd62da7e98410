"""Drawn calls of the curvature operations, small enough for dense Jacobians."""

from math import prod
from typing import Any

from hypothesis import strategies as st
from tests.windows import Case, Draw, Limits, channels, spelled, window

OPERATIONS: tuple[str, ...] = (
    "bias_hessian",
    "conv_weight_vjp_squared_norm",
    "ekfac_correction",
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
    "kfac_product",
)
TRANSPOSED = "conv_transpose_"
OPERATIONS += tuple(
    TRANSPOSED + name.removeprefix("conv_")
    for name in OPERATIONS
    if name != "bias_hessian"
)
PER_EXAMPLE = ("ggn_diagonal", "hessian_block", "hessian_diagonal", "bias_hessian")
SMALL = Limits(axes=(1, 1, 2, 2, 3))


@st.composite
def curvature_cases(draw: Draw, operation: str, limits: Limits = SMALL) -> Case:
    """A call of ``operation``: any geometry, batch and channels from 0 on."""
    transposed = operation.startswith(TRANSPOSED)
    kind = operation.removeprefix(TRANSPOSED)
    place, channel = window(draw, limits, transposed), channels(draw, limits)
    batch, groups = channel.batch, channel.groups
    into, out = channel.into * groups, channel.out * groups
    x, own = (*batch, into, *place.input), (out, *place.output)
    weight = (out, channel.into, *place.kernel)
    if transposed:
        weight = (into, channel.out, *place.kernel)
    columns = draw(st.sampled_from((1, 2, 3) + (() if limits.filled else (0,))))
    inner = channel.into * prod(place.kernel)
    factors = {
        "input_factor": (groups, inner, inner),
        "output_factor": (groups, channel.out, channel.out),
    }
    bases = {
        "input_basis": (groups, inner, draw(st.integers(1, 3))),
        "output_basis": (groups, channel.out, draw(st.integers(1, 3))),
    }
    shapes = {
        "x": x,
        "weight": weight,
        "cotangent": (*batch, *own),
        "sqrt_curvature": (columns, *batch, *own),
        "diagonal": (*batch, *own),
        "hessian": (*batch, *own, *own),
        **factors,
        **bases,
        "vector": (columns, *batch) if kind == "gram_product" else weight,
    }
    kernel = spelled(draw, place.kernel) if batch else place.kernel
    extra: tuple[Any, ...] = (kernel,)
    hyper = {**place.hyper, "groups": groups}
    if kind.startswith("input"):
        extra = (spelled(draw, place.input),)
    if kind == "jacobian_gram":
        extra = (out, kernel)
    if kind in ("kfac_product", "bias_hessian"):
        extra, hyper = (), {}
    if kind == "bias_hessian":
        hyper = {"batched": bool(batch)}
    if kind in PER_EXAMPLE:
        hyper["per_example"] = draw(st.booleans())
    taken = {name: shapes[name] for name in ARRAYS[kind]}
    return Case(operation, taken, extra, hyper)


ARRAYS = {
    "bias_hessian": ("hessian",),
    "conv_weight_vjp_squared_norm": ("x", "cotangent"),
    "weight_vjp_squared_norm": ("x", "cotangent"),
    "ekfac_correction": ("x", "sqrt_curvature", "input_basis", "output_basis"),
    "ggn_block": ("x", "sqrt_curvature"),
    "ggn_diagonal": ("x", "sqrt_curvature"),
    "ggn_product": ("x", "sqrt_curvature", "vector"),
    "gram": ("x", "sqrt_curvature"),
    "gram_product": ("x", "sqrt_curvature", "vector"),
    "hessian_block": ("x", "hessian"),
    "hessian_diagonal": ("x", "diagonal"),
    "input_hessian": ("weight", "hessian"),
    "input_hessian_diagonal": ("weight", "diagonal"),
    "jacobian_gram": ("x",),
    "kfac_product": ("input_factor", "output_factor", "vector"),
}
