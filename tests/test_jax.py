"""JAX: results, and its transformations around calls, which trace the arrays."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import dense, oracles
from tests.curvature_cases import OPERATIONS as CURVATURE
from tests.curvature_cases import curvature_cases
from tests.strategies import Case
from tests.windows import Limits

import tnconv
from tnconv import functions
from tnconv.execution.registry import backend, backend_for

jax = pytest.importorskip("jax")
jnp = jax.numpy

Array = NDArray[Any]
HYPER: dict[str, Any] = {"stride": 2, "padding": 1}
X, WEIGHT = (2, 4, 9), (6, 4, 3)

SIZES = {1: ((9,), (3,)), 2: ((7, 6), (3, 2)), 3: ((5, 4, 3), (2, 3, 2))}
SIZES[4] = ((4, 3, 4, 3), (2, 2, 1, 2))


def call(operation: str, axes: int) -> Case:
    """A call with groups, stride and padding on so many spatial axes."""
    size, kernel = SIZES[axes]
    hyper: dict[str, Any] = {"stride": (2, 1, 1, 2)[:axes], "padding": 1}
    x, weight = (2, 4, *size), (6, 2, *kernel)
    out = tuple(
        (n + 2 - k) // s + 1
        for n, k, s in zip(size, kernel, hyper["stride"], strict=True)
    )
    if operation == "unfold":
        return Case(operation, {"x": x}, (kernel,), hyper)
    hyper["groups"] = 2
    if operation == "conv":
        return Case(operation, {"x": x, "weight": weight, "bias": (6,)}, (), hyper)
    shapes = {"x": x, "cotangent": (2, 6, *out)}
    if operation == "conv_weight_vjp":
        return Case(operation, shapes, (kernel,), hyper)
    shapes = {"weight": weight, "cotangent": (2, 6, *out)}
    return Case(operation, shapes, (size,), hyper)


def arrays_of(case: Case, seed: int = 0) -> tuple[dict[str, Array], dict[str, Any]]:
    """Small integers, in which every sum is exact, for the oracle and for JAX."""
    values = case.integers(seed)
    return values, {k: jnp.asarray(np.float32(v)) for k, v in values.items()}


def pair(seed: int = 0) -> tuple[Array, Array, Any, Any]:
    """``x`` and ``weight`` twice."""
    values, arrays = arrays_of(Case("conv", {"x": X, "weight": WEIGHT}), seed)
    return values["x"], values["weight"], arrays["x"], arrays["weight"]


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "operation", ["conv", "conv_weight_vjp", "conv_input_vjp", "unfold"]
)
def test_results_alone_and_inside_jit(operation: str, axes: int) -> None:
    case = call(operation, axes)
    values, arrays = arrays_of(case)
    expected = case.apply(oracles, values)

    def apply(given: dict[str, Any]) -> Any:  # jit returns dictionaries sorted
        return case.apply(functions, {k: given[k] for k in case.shapes})

    for function in (apply, jax.jit(apply)):
        found = function(arrays)
        assert isinstance(found, jax.Array)
        assert found.dtype == jnp.float32
        np.testing.assert_array_equal(np.asarray(found), expected)


@pytest.mark.parametrize("operation", CURVATURE)
@settings(max_examples=1, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_curvature_alone_and_inside_jit(operation: str, data: Any) -> None:
    case = data.draw(curvature_cases(operation, Limits(axes=(1, 2), filled=True)))
    values, arrays = arrays_of(case)
    expected = case.apply(dense, values)

    def apply(given_arrays: dict[str, Any]) -> Any:
        return case.apply(functions, {k: given_arrays[k] for k in case.shapes})

    bound = case.apply(dense, {k: np.abs(v) for k, v in values.items()})
    for function in (apply, jax.jit(apply)):
        found = function(arrays)
        assert isinstance(found, jax.Array)
        limit = 1e-6 * float(np.max(bound))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=limit)


@pytest.mark.parametrize("dtype", ["int32", "float16", "bfloat16", "complex64"])
def test_other_dtypes(dtype: str) -> None:
    x, weight, *_ = pair()
    given = [jnp.asarray(np.float32(a)).astype(dtype) for a in (x, weight)]
    found = tnconv.conv(*given, **HYPER)
    assert found.dtype == dtype
    expected = oracles.conv(x, weight, **HYPER)
    np.testing.assert_array_equal(np.asarray(found.astype("complex64")), expected)


@pytest.mark.parametrize("forms", [None, ["constant"], ["taps"], ["fold"], ["window"]])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_traces_leave_nothing_behind(forms: list[str] | None, mode: str) -> None:
    """What is bound while a function is traced serves the next trace, and no trace."""
    x, weight, jx, jw = pair(1)
    expected = oracles.conv(x, weight, padding_mode=mode, **HYPER)
    tnconv.clear_caches()

    def conv(a: Any) -> Any:
        return tnconv.conv(a, jw, padding_mode=mode, **HYPER)

    with tnconv.options(forms=forms):
        first = jax.jit(conv)(jx)
        second = jax.jit(lambda a: 2 * conv(a))(jx)
        eager = conv(jx)
    np.testing.assert_array_equal(np.asarray(first), expected)
    np.testing.assert_array_equal(np.asarray(second), 2 * expected)
    np.testing.assert_array_equal(np.asarray(eager), expected)


@pytest.mark.parametrize("jit", [False, True])
def test_reverse_mode(jit: bool) -> None:
    x, weight, jx, jw = pair(2)
    value = oracles.conv(x, weight, **HYPER)
    cotangent = np.random.default_rng(3).integers(-3, 4, size=value.shape)

    def loss(a: Any, b: Any) -> Any:
        return (tnconv.conv(a, b, **HYPER) * jnp.asarray(np.float32(cotangent))).sum()

    gradient = jax.grad(loss, argnums=(0, 1))
    by_x, by_weight = (jax.jit(gradient) if jit else gradient)(jx, jw)
    np.testing.assert_array_equal(
        np.asarray(by_x), oracles.conv_input_vjp(weight, cotangent, 9, **HYPER)
    )
    np.testing.assert_array_equal(
        np.asarray(by_weight), oracles.conv_weight_vjp(x, cotangent, (3,), **HYPER)
    )


def test_one_argument_traced_and_the_other_not() -> None:
    x, weight, jx, jw = pair(4)
    ones = np.ones_like(oracles.conv(x, weight, **HYPER))
    by_x = jax.grad(lambda a: tnconv.conv(a, jw, **HYPER).sum())(jx)
    by_weight = jax.grad(lambda b: tnconv.conv(jx, b, **HYPER).sum())(jw)
    expected = oracles.conv_input_vjp(weight, ones, 9, **HYPER)
    np.testing.assert_array_equal(np.asarray(by_x), expected)
    expected = oracles.conv_weight_vjp(x, ones, (3,), **HYPER)
    np.testing.assert_array_equal(np.asarray(by_weight), expected)


def test_forward_mode() -> None:
    x, weight, jx, jw = pair(5)
    tangent, _, jt, _ = pair(6)
    value, found = jax.jvp(lambda a: tnconv.conv(a, jw, **HYPER), (jx,), (jt,))
    np.testing.assert_array_equal(np.asarray(value), oracles.conv(x, weight, **HYPER))
    np.testing.assert_array_equal(
        np.asarray(found), oracles.conv(tangent, weight, **HYPER)
    )


def test_vmap_with_and_without_jit() -> None:
    x, weight, jx, jw = pair(7)
    expected = oracles.conv(x, weight, **HYPER)
    over = jax.vmap(lambda a: tnconv.conv(a, jw, **HYPER))
    for function in (over, jax.jit(over)):
        np.testing.assert_array_equal(np.asarray(function(jx)), expected)


def test_a_derivative_of_a_derivative() -> None:
    """The second derivative of a convolution's squared norm is its Gram matrix."""
    _, weight, jx, jw = pair(8)

    def half_norm(a: Any) -> Any:
        return (tnconv.conv(a, jw[:1], **HYPER) ** 2).sum() / 2

    found = np.asarray(jax.hessian(half_norm)(jx[:1])).reshape(36, 36)
    matrix = oracles.toeplitz(weight[:1], (9,), **HYPER)
    np.testing.assert_array_equal(found, matrix.T @ matrix)


def test_an_expression_is_planned_by_the_name_of_the_library() -> None:
    x, weight, jx, jw = pair(9)
    network = tnconv.networks.conv(X, WEIGHT, **HYPER)
    planned = tnconv.expression(network, backend="jax")
    expected = oracles.conv(x, weight, **HYPER)
    np.testing.assert_array_equal(np.asarray(planned(jx, jw)), expected)
    np.testing.assert_array_equal(np.asarray(jax.jit(planned)(jx, jw)), expected)


def test_the_backend_is_honest() -> None:
    found = backend("jax")
    kind: Any = type(jnp.ones(1))
    assert backend_for(kind) is found
    assert (found.windows, found.native_convolution, found.in_place) == (False,) * 3
    assert found.autodiff
    assert not found.accepts(np.ndarray)


DEVICES = """
import jax, numpy as np, tnconv
here, there = jax.devices()
x, w = np.float32(np.arange(12).reshape(1, 2, 6)), np.ones((3, 2, 2), np.float32)
far = [jax.device_put(a, there) for a in (x, w)]
for forms in (None, ["constant"], ["taps"], ["fold"]):
    with tnconv.options(forms=forms):
        found = tnconv.conv(*far, stride=2, padding=1)
        assert found.device == there, found.device
        np.testing.assert_array_equal(found, tnconv.conv(x, w, stride=2, padding=1))
        found = jax.jit(lambda a, b: tnconv.conv(a, b, stride=2, padding=1))(*far)
        assert found.device == there, found.device
near = jax.numpy.asarray(x)  # committed to no device: JAX brings it to the weight
for forms in (None, ["constant"], ["taps"], ["fold"], ["window", "gemm"]):
    with tnconv.options(forms=forms):
        loss = lambda b: tnconv.conv(near, b, stride=2, padding=1).sum()
        assert jax.value_and_grad(loss)(far[1])[0].device == there
try:
    tnconv.conv(far[0], jax.device_put(w, here))
except tnconv.ArrayError as error:
    assert "weight has device" in str(error)
else:
    raise SystemExit("devices were mixed")
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("n",))
spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("n"))
many = jax.device_put(np.concatenate([x, x + 1]), spread)
alike = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
whole = jax.device_put(w, alike)
found = tnconv.conv(many, whole, stride=2, padding=1)
assert len(found.devices()) == 2
expected = tnconv.conv(np.asarray(many), w, stride=2, padding=1)
np.testing.assert_array_equal(found, expected)
"""


def test_results_are_where_the_arguments_are() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEVICES],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "XLA_FLAGS": flags},
    )
    assert not done.returncode, done.stderr
