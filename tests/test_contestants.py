"""Everybody whom tnconv is timed against does what the plain loops do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from benchmarks import contestants
from benchmarks.cases import OPERATIONS, Cannot, Case, make
from benchmarks.expected import expected
from benchmarks.layers import Layer
from tests import oracles

pytest.importorskip("torch")

BATCH, MEMORY = 2, 1 << 30
FIELDS = (
    "name",
    "in_channels",
    "out_channels",
    "input_size",
    "output_size",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "transposed",
    "output_padding",
    "macs",
)
ROWS: tuple[tuple[Any, ...], ...] = (
    ("1d", 4, 6, (9,), (5,), (3,), (2,), ((1, 1),), (1,), 1, False, (0,), 1),
    ("1d causal", 4, 4, (7,), (7,), (3,), (1,), ((4, 0),), (2,), 2, False, (0,), 1),
    (
        "2d",
        3,
        5,
        (6, 7),
        (3, 7),
        (2, 3),
        (2, 1),
        ((0, 0), (1, 1)),
        (1, 1),
        1,
        False,
        (0, 0),
        1,
    ),
    (
        "depthwise",
        4,
        4,
        (5, 5),
        (5, 3),
        (3, 3),
        (1, 2),
        ((2, 2), (1, 1)),
        (2, 1),
        4,
        False,
        (0, 0),
        1,
    ),
    (
        "1x1",
        4,
        6,
        (5, 5),
        (3, 3),
        (1, 1),
        (2, 2),
        ((0, 0), (0, 0)),
        (1, 1),
        2,
        False,
        (0, 0),
        1,
    ),
    (
        "one side",
        4,
        6,
        (9, 8),
        (4, 5),
        (3, 2),
        (2, 2),
        ((0, 1), (1, 1)),
        (1, 1),
        2,
        False,
        (0, 0),
        1,
    ),
    (
        "3d",
        2,
        4,
        (4, 5, 3),
        (2, 3, 3),
        (3, 3, 1),
        (2, 1, 1),
        ((1, 1), (0, 0), (0, 0)),
        (1, 1, 1),
        1,
        False,
        (0, 0, 0),
        1,
    ),
    (
        "transposed",
        4,
        2,
        (3, 4),
        (6, 8),
        (4, 3),
        (2, 2),
        ((1, 1), (1, 1)),
        (1, 1),
        2,
        True,
        (0, 1),
        1,
    ),
    ("transposed 1d", 3, 2, (4,), (8,), (2,), (2,), ((0, 0),), (1,), 1, True, (0,), 1),
)
LAYERS = [Layer(**dict(zip(FIELDS, row, strict=True))) for row in ROWS]
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
        return oracles.kfac_input_factor(
            arrays["wide"], layer.kernel_size, approximation=case.kind, **hyper
        )
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
    assert contestants.reference(operation) in done or layer.dims == 3


@by_case
def test_the_network_gives_the_result_too(operation: str, layer: Layer) -> None:
    case = make(operation, layer, BATCH, MEMORY, 0)
    assert case.network().shape == case.result_shape
    assert case.result_bytes == 4 * by_loops(case).size
