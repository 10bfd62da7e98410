"""Everybody whom tnconv is timed against does what the plain loops do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from benchmarks import contestants
from benchmarks.cases import OPERATIONS, Cannot, Case, factor_keywords, make
from benchmarks.expected import expected
from benchmarks.layers import Layer
from tests import oracles

pytest.importorskip("torch")

BATCH, MEMORY = 2, 1 << 30


def layer(
    name: str,
    channels: tuple[int, int],
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    output: tuple[int, ...],
    *,
    stride: tuple[int, ...] | None = None,
    padding: tuple[tuple[int, int], ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
    more: tuple[int, ...] | None = None,
) -> Layer:
    """A layer; with ``more``, the output padding, a transposed one."""
    ones = (1,) * len(size)
    return Layer(
        name,
        *channels,
        size,
        output,
        kernel,
        stride or ones,
        padding or ((0, 0),) * len(size),
        dilation or ones,
        groups,
        more is not None,
        more or (0,) * len(size),
        macs=1,
    )


BOTH = ((1, 1), (1, 1))
LAYERS = [
    layer("1d", (4, 6), (9,), (3,), (5,), stride=(2,), padding=((1, 1),)),
    layer(
        "causal",
        (4, 4),
        (7,),
        (3,),
        (7,),
        padding=((4, 0),),
        dilation=(2,),
        groups=2,
    ),
    layer(
        "2d",
        (3, 5),
        (6, 7),
        (2, 3),
        (3, 7),
        stride=(2, 1),
        padding=((0, 0), (1, 1)),
    ),
    layer(
        "depthwise",
        (4, 4),
        (5, 5),
        (3, 3),
        (5, 3),
        stride=(1, 2),
        padding=((2, 2), (1, 1)),
        dilation=(2, 1),
        groups=4,
    ),
    layer("1x1", (4, 6), (5, 5), (1, 1), (3, 3), stride=(2, 2), groups=2),
    layer(
        "one side",
        (4, 6),
        (9, 8),
        (3, 2),
        (4, 5),
        stride=(2, 2),
        padding=((0, 1), (1, 1)),
        groups=2,
    ),
    layer(
        "3d",
        (2, 4),
        (4, 5, 3),
        (3, 3, 1),
        (2, 3, 3),
        stride=(2, 1, 1),
        padding=((1, 1), (0, 0), (0, 0)),
    ),
    layer(
        "transposed",
        (4, 2),
        (3, 4),
        (4, 3),
        (6, 8),
        stride=(2, 2),
        padding=BOTH,
        groups=2,
        more=(0, 1),
    ),
    layer("transposed 1d", (3, 2), (4,), (2,), (8,), stride=(2,), more=(0,)),
]
CASES = [
    (operation, layer)
    for layer in LAYERS
    for operation, (_, transposed, _) in OPERATIONS.items()
    if transposed or not layer.transposed
]
by_case = pytest.mark.parametrize(
    ("operation", "layer"), CASES, ids=lambda part: getattr(part, "name", part)
)


def by_loops(case: Case) -> Any:
    """The result by the plain loops, in float64."""
    layer, hyper = case.layer, case.layer.hyper()
    arrays = {role: array.astype(np.float64) for role, array in case.arrays.items()}
    prefix = "conv_transpose" if layer.transposed else "conv"
    roles = ("narrow", "wide") if layer.transposed else ("wide", "narrow")
    x, v = (arrays.get(role) for role in roles)
    if case.operation == "forward":
        return getattr(oracles, prefix)(x, arrays["weight"], **hyper)
    if case.operation == "input-vjp":
        vjp = getattr(oracles, f"{prefix}_input_vjp")
        return vjp(arrays["weight"], v, layer.input_size, **hyper)
    if case.operation.startswith("kfac"):
        hyper |= factor_keywords(case.kind)
        return oracles.kfac_input_factor(arrays["wide"], layer.kernel_size, **hyper)
    vjp = getattr(oracles, f"{prefix}_weight_vjp")
    each = case.operation == "per-example"
    return vjp(x, v, layer.kernel_size, per_example=each, **hyper)


@by_case
def test_everybody_does_what_the_loops_do(operation: str, layer: Layer) -> None:
    case = make(operation, layer, BATCH, MEMORY, 0)
    wanted = by_loops(case)
    assert case.result_shape == wanted.shape
    np.testing.assert_allclose(expected(case.torch()), wanted, atol=1e-4, rtol=0)
    done = set()
    for backend in contestants.GROUPS:
        for name, module in contestants.modules(backend).items():
            own = case.torch() if (module.LIBRARY or backend) == "torch" else case
            try:
                result = contestants.build(module, own)()
            except Cannot:
                continue
            np.testing.assert_allclose(
                result, wanted, atol=1e-4, rtol=0, err_msg=f"{name} on {backend}"
            )
            done.add(name)
    assert {contestants.OURS, "windows", "offsets", "opt_einsum"} <= done
    assert contestants.reference(operation, "torch") in done or layer.dims == 3


@by_case
def test_the_network_gives_the_result_too(operation: str, layer: Layer) -> None:
    case = make(operation, layer, BATCH, MEMORY, 0)
    assert case.network().shape == case.result_shape
    assert case.result_bytes == 4 * by_loops(case).size
