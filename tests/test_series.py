"""Fourier transforms and cumulative sums: what they lose, where they are chosen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from math import log2, prod
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import oracles
from tests.strategies import Case, Limits, cases, seeds

import tnconv
from tnconv import functions, networks
from tnconv.execution.backend import Place
from tnconv.execution.program import CumulativeSum, Loop, Spectral
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.planning.forms.fourier import fast_length
from tnconv.planning.lower import lower
from tnconv.planning.rivals import form_table
from tnconv.planning.site import NotHereError
from tnconv.testing import evaluate

Array = NDArray[Any]
SOME = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
LIBRARIES = ("numpy", "torch", "array_api_strict")
WIDER = {"float32": np.float64, "float64": np.longdouble}
#: in units of eps * log2(n) times the norm product, for transforms of n points
BOUND = 1.0
by_library = pytest.mark.parametrize("library", LIBRARIES)


def given_to(library: str, array: Array) -> Any:
    module = pytest.importorskip("jax.numpy" if library == "jax" else library)
    return module.from_numpy(array) if library == "torch" else module.asarray(array)


def scaled(shape: tuple[int, ...], seed: int, dtype: str) -> Array:
    """Numbers of either sign over twelve decades."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-6, 6, shape)
    return np.asarray(rng.choice([-1.0, 1.0], shape) * sizes).astype(dtype)


# ---- what is lost


def norms(case: Case, arrays: dict[str, Array]) -> Array:
    """Sums over channels of products of Euclidean norms over all positions: the same
    operation on arrays of one position."""
    dims = tuple(range(2, next(iter(arrays.values())).ndim))
    small = {n: _norm(a, dims) for n, a in arrays.items()}
    ones = (1,) * len(dims)
    hyper = {n: v for n, v in case.hyper.items() if n in ("groups", "per_example")}
    found = Case(case.operation, {}, (ones,) if case.extra else (), hyper)
    return np.asarray(found.apply(oracles, small))


def _norm(array: Array, dims: tuple[int, ...]) -> Array:
    squares = np.square(array.astype(np.float64))
    return np.asarray(np.sqrt(np.sum(squares, axis=dims, keepdims=True)))


@by_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "operation", ["conv", "conv_input_vjp", "conv_weight_vjp", "conv_transpose"]
)
@SOME
@given(data=st.data())
def test_transforms_stay_within_their_bound(
    operation: str, dtype: str, library: str, data: Any
) -> None:
    case = data.draw(cases(operation, Limits((1, 1, 2, 3), ("zeros",), filled=True)))
    shapes = {n: s for n, s in case.shapes.items() if n != "bias"}
    case = Case(operation, shapes, case.extra, case.hyper)
    seed = data.draw(seeds())
    arrays = {n: scaled(s, seed + j, dtype) for j, (n, s) in enumerate(shapes.items())}
    with tnconv.options(forms=["fourier", "window", "fold", "gather", "multiply"]):
        found = case.apply(
            functions, {n: given_to(library, a) for n, a in arrays.items()}
        )
    found = np.asarray(found)
    assert found.dtype == dtype
    wide = {n: a.astype(WIDER[dtype]) for n, a in arrays.items()}
    wrong = np.abs(found.astype(WIDER[dtype]) - case.apply(oracles, wide))
    points = prod(max(s) for s in zip(*(s[2:] for s in shapes.values()), strict=True))
    points = max(2, 2 * points)
    limit = BOUND * np.finfo(dtype).eps * log2(points) * norms(case, arrays)
    assert np.all(wrong <= limit), float(np.max(wrong / limit))


def sums(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Network:
    """A pattern with a leg that stands nowhere else, on the second axis of ``x``."""
    own, other, free = draw(st.permutations(["i", "o", "k"]))
    stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding, size = draw(st.integers(-3, 6)), draw(st.integers(1, 30))
    sizes = {other: draw(st.integers(1, 20)), free: draw(st.integers(1, 20))}
    relation = f"i ~ {stride} o + {dilation} k {-padding:+d}"
    text = f"x: n {own} c, {relation} -> c {other} n"
    return tnconv.parse(text, shapes={"x": (2, size, 3)}, sizes=sizes)


@by_library
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@SOME
@given(data=st.data())
def test_cumulative_sums_lose_what_plain_sums_do(
    dtype: str, library: str, data: Any
) -> None:
    network = sums(data.draw)
    shape = network.arguments["x"]
    x = scaled(shape, data.draw(seeds()), "float64").astype(dtype)
    if dtype.startswith("complex"):
        x = x + 1j * scaled(shape, data.draw(seeds()), "float64")
    with tnconv.options(forms=["cumulative", "fold", "window"], alternatives=False):
        found = np.asarray(tnconv.contract(network, given_to(library, x)))
    wide = evaluate(network, {"x": x.astype(np.result_type(dtype, np.longdouble))})
    terms = evaluate(network, {"x": np.abs(x).astype(np.longdouble)})
    longest = max(op.index.kernel + op.index.output + op.index.input
                  for op in network.patterns)  # fmt: skip
    assert found.dtype == dtype
    assert np.all(np.abs(found - wide) <= longest * np.finfo(dtype).eps * terms)


def test_both_on_jax() -> None:
    x, w = scaled((2, 4, 30), 1, "float32"), scaled((6, 2, 12), 2, "float32")
    hyper = {"stride": 2, "padding": 3, "groups": 2}
    case = Case("conv", {"x": x.shape, "weight": w.shape}, (), hyper)
    arrays = {"x": given_to("jax", x), "weight": given_to("jax", w)}
    with tnconv.options(forms=["fourier"]):
        found = np.asarray(case.apply(functions, arrays))
    wide = {"x": x.astype(np.float64), "weight": w.astype(np.float64)}
    wrong = np.abs(found - case.apply(oracles, wide))
    limit = BOUND * np.finfo(np.float32).eps * log2(60) * norms(case, wide)
    assert np.all(wrong <= limit)
    network = tnconv.parse(
        "x: n c i, i ~ 2 o + 3 k - 4 -> n c o", shapes={"x": (2, 4, 30)}, sizes={"k": 9}
    )
    with tnconv.options(forms=["cumulative"]):
        found = np.asarray(tnconv.contract(network, given_to("jax", x)))
    exact = evaluate(network, {"x": wide["x"]})
    terms = evaluate(network, {"x": np.abs(wide["x"])})
    assert np.all(np.abs(found - exact) <= 10 * np.finfo(np.float32).eps * terms)


# ---- where they are used


def kinds(network: Network, **how: Any) -> set[type]:
    """The kinds of steps of the plan, those inside loops over blocks included."""
    todo, found = [tnconv.expression(network, **how).planned.program], set()
    while todo:
        for step in todo.pop().steps:
            found.add(type(step))
            todo += step.bodies if isinstance(step, Loop) else ()
    return found


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_long_kernels_are_transformed_and_short_ones_are_not(library: str) -> None:
    long = networks.conv((4, 16, 16000), (16, 16, 500))
    depthwise = networks.conv((4, 64, 16000), (64, 1, 500), groups=64)
    images = networks.conv((4, 64, 56, 56), (64, 64, 3, 3), padding=1)
    for network in (long, depthwise):
        assert kinds(network, backend=library) >= {Spectral}
        assert Spectral not in kinds(network, backend=library, dtype="complex64")
    assert Spectral not in kinds(images, backend=library)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_long_window_sums_are_cumulative(library: str) -> None:
    network = tnconv.parse(
        "x: n c i, i ~ o + k -> n c o", shapes={"x": (8, 16, 16000)}, sizes={"k": 1000}
    )
    assert kinds(network, backend=library) >= {CumulativeSum}


def test_a_block_with_a_single_window_has_no_cumulative_sums() -> None:
    text = "x: n c i, i ~ o + k -> n c o"
    whole, block = (
        tnconv.parse(text, shapes={"x": (2, 3, size)}, sizes={"k": 9})
        for size in (40, 9)
    )
    plan = tnconv.expression(whole, forms=["cumulative"], alternatives=False).plan
    machine = backend("numpy").machine(Place("numpy", None, "float32", None))
    assert lower(plan, machine, 4, form_table(), {})[0].program.shape == (2, 3, 32)
    with pytest.raises(NotHereError, match="no windows"):
        lower(replace(plan, network=block), machine, 4, form_table(), {})


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
@pytest.mark.parametrize("library", ["numpy", "torch", "array_api", "jax"])
def test_integers_are_never_transformed_nor_cumulated(library: str, dtype: str) -> None:
    machine = backend(library).machine(Place(library, None, dtype, None))
    assert machine.fft == machine.cumulative == 0


def test_halves_are_transformed_in_float32() -> None:
    x, w = (scaled(s, 0, "float64") / 1e6 for s in ((1, 1, 300), (1, 1, 90)))
    halves = x.astype(np.float16), w.astype(np.float16)
    with tnconv.options(forms=["fourier"]):
        found = tnconv.conv(*halves)
    exact = oracles.conv(*(a.astype(np.float64) for a in halves))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, exact, rtol=2**-10, atol=1e-5)


def test_a_library_without_transforms_is_planned_without() -> None:
    whole = SimpleNamespace(__name__="whole", fft=None, cumulative_sum=None)
    bare = SimpleNamespace(__name__="bare")
    chunks = SimpleNamespace(
        __name__="compat.dask.array", fft=None, cumulative_sum=None
    )
    rates, keys = {}, set()
    for library in (whole, bare, chunks):
        place = Place("array_api", cast("Any", library), "float32", None)
        machine = backend("array_api").machine(place)
        rates[library.__name__] = bool(machine.fft), bool(machine.cumulative)
        keys.add(machine.key)
    assert rates == {
        "whole": (True, True),
        "bare": (False, False),
        "compat.dask.array": (False, True),
    }
    assert len(keys) == 3  # plans are cached by it


def test_numpy_transforms_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = scaled((2, 3, 50), 1, "float32"), scaled((4, 3, 20), 2, "float32")
    monkeypatch.setitem(sys.modules, "scipy.fft", None)
    network = networks.conv(x.shape, w.shape)
    expression = tnconv.expression(network, forms=["fourier"])
    found = expression(x, w)
    assert [step.form for step in expression.plan.steps] == ["fourier"]
    assert found.dtype == np.float32
    exact = oracles.conv(x.astype(np.float64), w.astype(np.float64))
    limit = np.linalg.norm(x) * np.linalg.norm(w) * np.finfo(np.float32).eps * 20
    assert np.max(np.abs(found - exact)) <= limit


def test_fast_lengths_are_the_least_that_have_small_factors() -> None:
    smooth = {2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6)}
    for size in range(1, 2049):
        assert fast_length(size) == min(n for n in smooth if n >= size)
