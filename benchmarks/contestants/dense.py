"""opt_einsum on dense index patterns: its exact path, patterns as constants."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from benchmarks.cases import Cannot, Case
from benchmarks.contestants.guards import pattern_guard, pattern_shapes
from benchmarks.layers import Layer

NAME = "opt_einsum"
TIMED = (
    "a `contract_expression` over dense patterns with the path of `optimize='dp'`; "
    "patterns are its constants, so that what needs them alone is done before"
)
LIBRARY = "torch"
NEEDS = ("opt_einsum", "torch")

#: a letter for each spatial axis
INPUT, OUTPUT, KERNEL = "pqr", "xyz", "uvw"


def patterns(layer: Layer, like: Any) -> list[Any]:
    """The 0/1 tensors ``P[i, o, k]`` of all axes."""
    found = []
    for axis, (wide, narrow, kernel) in enumerate(pattern_shapes(layer)):
        i = like.new_tensor(range(wide))[:, None, None]
        o = like.new_tensor(range(narrow))[:, None] * layer.stride[axis]
        k = like.new_tensor(range(kernel)) * layer.dilation[axis]
        found.append((i == o + k - layer.low[axis]).to(like.dtype))
    return found


def equation(case: Case) -> tuple[str, int]:
    """The contraction in letters, arrays first, and the number of patterns in it."""
    dims = case.layer.dims
    i, o, k = INPUT[:dims], OUTPUT[:dims], KERNEL[:dims]
    terms = {"wide": f"ngc{i}", "narrow": f"ngd{o}", "weight": f"gdc{k}"}
    tied = [f"{i[axis]}{o[axis]}{k[axis]}" for axis in range(dims)]
    if case.kind in ("expand", "reduce"):
        twin = o if case.kind == "expand" else o.upper()
        again = [f"{i[a]}".upper() + twin[a] + k[a].upper() for a in range(dims)]
        left = ",".join((terms["wide"], f"nge{i.upper()}", *tied, *again))
        return f"{left}->gc{k}e{k.upper()}", 2 * dims
    terms["weights"] = f"ngdc{k}"
    left = ",".join((*(terms[role] for role in case.arrays), *tied))
    return f"{left}->{terms[case.kind]}", dims


def build(case: Case) -> Callable[[], Any]:
    """The expression of the case's kind."""
    pattern_guard(case)
    import opt_einsum

    layer, shape = case.layer, case.result_shape
    arrays = [split(array, role, layer) for role, array in case.arrays.items()]
    dense = patterns(layer, arrays[0])
    text, count = equation(case)
    if count > layer.dims:  # the input twice, and its patterns
        arrays, dense = arrays * 2, dense * 2
    operands = [array.shape for array in arrays] + dense
    known = [len(arrays) + n for n in range(count)]
    sizes = [array.shape for array in arrays] + [array.shape for array in dense]
    _, path = opt_einsum.contract_path(text, *sizes, shapes=True, optimize="dp")
    need = 4 * int(path.largest_intermediate)
    if 2 * need > case.memory:
        raise Cannot("an intermediate is too large", f"{need / 2**30:.1f} GiB")
    run = opt_einsum.contract_expression(
        text, *operands, constants=known, optimize="dp"
    )
    scale = {"expand": case.batch, "reduce": case.batch * prod(layer.narrow[1]) ** 2}
    divisor = scale.get(case.kind)
    if divisor:
        return lambda: run(*arrays).reshape(shape) / divisor
    return lambda: run(*arrays).reshape(shape)


def split(array: Any, role: str, layer: Layer) -> Any:
    """Channels split into groups; in the weight they are the first axis."""
    axis = 0 if role == "weight" else 1
    shape, groups = tuple(array.shape), layer.groups
    inner = (groups, shape[axis] // groups)
    return array.reshape(*shape[:axis], *inner, *shape[axis + 1 :])


BUILDS = dict.fromkeys(
    ("narrow", "wide", "weight", "weights", "expand", "reduce"), build
)
