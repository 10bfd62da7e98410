"""Factorized kernels: formats, figures, specs, and what is refused."""

import json
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factor.kernels import FORMATS, einsum_dense, kernels, textbook_macs

import tnconv
from tnconv.errors import ArgumentError, ArrayError
from tnconv.factor import (
    EVBMF,
    FactorizedKernel,
    KernelShape,
    format_network,
    rank_caps,
)
from tnconv.notation import parse

LINEAR = (np.ones((4, 2)), np.ones((2, 3)))


def made(format: str, shape: tuple[int, ...], ranks: Any, **more: Any) -> Any:
    """A kernel of normal factors."""
    network = format_network(format, KernelShape(shape, **more), ranks)
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=s) for s in network.arguments.values()]
    return FactorizedKernel.of(format, shape, factors, **more)


@given(kernels())
@settings(max_examples=150, deadline=None)
def test_dense_is_what_the_format_says(kernel: FactorizedKernel) -> None:
    dense = einsum_dense(kernel)
    assert kernel.shape == dense.shape
    assert np.allclose(kernel.to_dense(), dense, rtol=1e-12, atol=1e-12)
    assert kernel.parameters == sum(f.size for f in kernel.factors)
    assert kernel.error_to(dense) < 1e-12
    again = FactorizedKernel.from_spec(
        json.loads(json.dumps(kernel.spec())), kernel.arrays()
    )
    assert again.network == kernel.network and again.format == kernel.format
    assert (again.groups, again.transposed) == (kernel.groups, kernel.transposed)


@pytest.mark.parametrize("format", FORMATS)
def test_caps_are_enough_and_no_more_than_that(format: str) -> None:
    """At its caps a format can be made; one more on any bond is refused."""
    whole = KernelShape((4, 3, 2, 5))
    caps = rank_caps(format, whole)
    factors = made(format, whole.shape, tuple(caps.values())).factors
    assert all(min(f.shape) >= 1 for f in factors)
    for at, cap in enumerate(caps.values()):
        ranks = [1] * len(caps)
        ranks[at] = cap + 1
        with pytest.raises(ArgumentError, match=f"none above {cap}"):
            format_network(format, whole, ranks)


def test_caps_by_hand() -> None:
    whole = KernelShape((8, 3, 2, 5), groups=2)
    assert rank_caps("svd-in", whole) == {"r": 3}
    assert rank_caps("svd-out", whole) == {"r": 4}
    assert rank_caps("svd-spatial", whole) == {"r": 6}
    assert rank_caps("cp", whole) == {"r": 24}
    assert rank_caps("cp3", whole) == {"r": 12}
    assert rank_caps("tucker2", whole) == {"p": 4, "q": 3}
    assert rank_caps("tucker", whole) == {"p": 4, "q": 3, "s0": 2, "s1": 5}
    assert rank_caps("tt", whole) == {"r0": 3, "r1": 6, "r2": 4}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_macs_are_those_of_the_papers(data: st.DataObject) -> None:
    kernel = data.draw(kernels().filter(lambda k: k.format in KNOWN))
    output, inside = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    assert kernel.macs(output, inside) == textbook_macs(kernel, output, inside)


KNOWN = ("svd-in", "svd-out", "cp3", "tucker2")


def test_macs_of_the_other_chains() -> None:
    def count(format: str, ranks: Any) -> int:
        found: int = made(format, (8, 3, 2, 5), ranks).macs((10, 11), (20, 22))
        return found

    inside, between, out = 20 * 22, 10 * 22, 10 * 11
    assert count("svd-spatial", 4) == 3 * 4 * 2 * between + 4 * 8 * 5 * out
    assert count("cp", 4) == 4 * (3 * inside + 2 * between + 5 * out + 8 * out)
    assert count("tt", (2, 3, 4)) == (
        3 * 2 * inside + 2 * 3 * 2 * between + 3 * 4 * 5 * out + 4 * 8 * out
    )
    assert count("tr", (2, 2, 3, 4)) == 2 * count("tt", (2, 3, 4))


def test_a_network_of_the_users_own() -> None:
    """Block terms: two Tucker-2 kernels side by side, and split input channels."""
    text = "u: b d p, g: b p q k, v: b a e q -> d (a e) k"
    shapes = {"u": (2, 6, 3), "g": (2, 3, 2, 3), "v": (2, 2, 2, 2)}
    network = parse(text, shapes=shapes)
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=s) for s in shapes.values()]
    kernel = FactorizedKernel.of(network, (6, 4, 3), factors)
    expected = np.einsum("bdp,bpqk,baeq->daek", *factors).reshape(6, 4, 3)
    assert np.allclose(kernel.to_dense(), expected)
    assert kernel.ranks == (2, 3, 2) and kernel.format == "custom"
    assert kernel.macs(7) == 7 * (2 * 4 * 2 + 2 * 3 * 2 * 3 + 2 * 6 * 3)
    spec = json.loads(json.dumps(kernel.spec()))
    assert FactorizedKernel.from_spec(spec, kernel.arrays()).network == network
    assert prod(kernel.shape) == 72 and "38" not in repr(kernel)


def test_kernels_that_are_alike_share_their_network() -> None:
    one, other = made("tt", (4, 3, 5), (2, 2)), made("tt", (4, 3, 5), (2, 2))
    assert one.network is other.network
    assert one.network != made("tt", (4, 3, 5), (2, 1)).network


def test_figures_of_tensors_that_want_gradients() -> None:
    factors = [torch.ones(s, requires_grad=True) for s in ((4, 2), (2, 3))]
    kernel = FactorizedKernel.of("svd-in", (4, 3), factors)
    dense = kernel.to_dense()
    assert dense.requires_grad and dense.tolist() == [[2.0] * 3] * 4
    assert kernel.error_to(torch.full((4, 3), 4.0)) == pytest.approx(0.5)
    half = kernel.with_factors([f.detach().bfloat16() * 99 for f in factors])
    assert half.error_to(half.to_dense()) == 0.0 and half.dtype == torch.bfloat16
    zeros = kernel.with_factors([f * 0 for f in factors])
    assert zeros.error_to(torch.zeros(4, 3)) == 0.0
    assert kernel.error_to(torch.zeros(4, 3)) == float("inf")


REFUSED: list[tuple[str, Any]] = [
    ("format 'tucker3' is not known", lambda: of("tucker3", (4, 3), LINEAR)),
    ("parts spatial axes", lambda: made("svd-spatial", (4, 3, 3), 1)),
    ("has 2 factors", lambda: of("svd-in", (4, 3), LINEAR[:1])),
    ("factor 'in' has shape", lambda: of("svd-in", (4, 3), (LINEAR[0],) * 2)),
    ("none above 3", lambda: of("svd-in", (4, 3), (np.ones((4, 5)), np.ones((5, 3))))),
    ("not divisible by groups=3", lambda: made("svd-in", (4, 3), 1, groups=3)),
    ("has no factors", lambda: made("svd-in", (4, 0), 1)),
    ("2 ranks", lambda: made("tucker2", (4, 3, 3), (1, 2, 3))),
    ("has True", lambda: made("tucker2", (4, 3, 3), (True, 2))),
    ("has 0, below 1", lambda: made("cp", (4, 3, 3), 0)),
    ("has 1.5", lambda: made("cp", (4, 3, 3), 1.5)),
    ("has shape", lambda: made("cp", (4, 3, 3), 2).error_to(np.ones((4, 3)))),
    (
        "gives shape",
        lambda: of(parse("a b -> a b", shapes=[(4, 3)]), (3, 4), LINEAR[:1]),
    ),
    (
        "each of them once",
        lambda: of(parse("x: a, x: b -> a b", shapes={"x": (3,)}), (3, 3), LINEAR[:1]),
    ),
    ("macs: output_size", lambda: made("cp", (4, 3, 3), 2).macs((2, 2))),
]


def of(*values: Any) -> FactorizedKernel:
    return FactorizedKernel.of(*values)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case[0]))
def test_bad_kernels_are_refused(case: tuple[str, Any]) -> None:
    message, make = case
    with pytest.raises(ArgumentError, match=message):
        make()


def test_mixed_dtypes_and_libraries_are_refused() -> None:
    narrow = np.ones((2, 3), np.float32)
    with pytest.raises(ArrayError, match="in has dtype float32, out has float64"):
        of("svd-in", (4, 3), (LINEAR[0], narrow))
    with pytest.raises(ArrayError, match="in has backend torch"):
        of("svd-in", (4, 3), (LINEAR[0], torch.ones(2, 3, dtype=torch.float64)))


def test_a_spec_says_how_a_kernel_was_fitted() -> None:
    found = tnconv.decompose(np.ones((4, 3, 3)), "cp", EVBMF())
    assert found.fit is not None and found.fit.remarks
    spec = json.loads(json.dumps(found.spec()))
    assert FactorizedKernel.from_spec(spec, found.arrays()).fit == found.fit
    other = found.with_factors(found.factors)
    assert "fit" not in other.spec()
    assert FactorizedKernel.from_spec(other.spec(), other.arrays()).fit is None


RECORD: dict[str, Any] = {
    "error": 0.1,
    "output_error": None,
    "degeneracy": None,
    "reason": "given",
    "remarks": [],
}
DAMAGED: list[tuple[str, dict[str, Any]]] = [
    ("is none", {"kind": "a kernel"}),
    ("version 2", {"version": 2}),
    ("missing or unknown: more", {"more": 1}),
    ("shape is", {"shape": "(4, 3)"}),
    ("ranks is", {"ranks": [True]}),
    ("none above 3", {"ranks": [10**9]}),
    ("groups is no int", {"groups": 1.0}),
    ("format 3 is not known", {"format": 3}),
    ("factor 'out' has shape", {"shape": [5, 3]}),
    ("unknown: network", {"format": "custom"}),
    ("not the record of a fit", {"fit": [0.1]}),
    ("not the record of a fit", {"fit": {"error": 0.1}}),
    ("error of its fit is -1", {"fit": {**RECORD, "error": -1}}),
    ("degeneracy of its fit is inf", {"fit": {**RECORD, "degeneracy": float("inf")}}),
    ("output_error of its fit is nan", {"fit": {**RECORD, "output_error": np.nan}}),
    ("error of its fit is True", {"fit": {**RECORD, "error": True}}),
    ("no texts, or too long", {"fit": {**RECORD, "reason": "x" * 9999}}),
    ("no texts, or too long", {"fit": {**RECORD, "remarks": [1]}}),
    ("no texts, or too long", {"fit": {**RECORD, "remarks": "x"}}),
]


@pytest.mark.parametrize("case", DAMAGED, ids=lambda case: str(case[0]))
def test_damaged_specs_are_refused(case: tuple[str, dict[str, Any]]) -> None:
    message, change = case
    kernel = of("svd-in", (4, 3), LINEAR)
    with pytest.raises(ArgumentError, match=message):
        FactorizedKernel.from_spec({**kernel.spec(), **change}, kernel.arrays())


def test_arrays_of_a_spec_are_asked_for_by_name() -> None:
    kernel = of("svd-in", (4, 3), LINEAR)
    for arrays in ({"out": LINEAR[0]}, {**kernel.arrays(), "core": LINEAR[0]}, LINEAR):
        with pytest.raises(ArgumentError, match="spec of a factorized kernel"):
            FactorizedKernel.from_spec(kernel.spec(), arrays)  # type: ignore[arg-type]
