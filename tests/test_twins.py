"""Symmetric results: the triangle form, and the step it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tnconv
from tnconv import networks
from tnconv.edits import pair, restrict, without_conjugates
from tnconv.execution.program import Gram, Matmul, Program
from tnconv.execution.registry import backend
from tnconv.execution.ways import row_blocks
from tnconv.network import Network
from tnconv.testing import evaluate
from tnconv_backends.numpy import NumPyKernels

BACKENDS = ("numpy", "torch")
FORMS = ["window", "half"]


def array(name: str, value: np.ndarray) -> Any:
    if name == "numpy":
        return value
    return pytest.importorskip("torch").from_numpy(value)


def run_step(name: str, step: Any, value: np.ndarray) -> np.ndarray:
    """One step on a backend, its only source the argument."""
    given = array(name, value)
    program = Program((("a", value.shape),), (step,), 1)
    lib = backend(name)
    return np.asarray(lib.compile(program, lib.place(given))([given]))


def drawn(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).integers(-3, 4, shape)).astype(dtype)


@pytest.mark.parametrize("name", [*BACKENDS, "array_api_strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 3), (2, 7, 4), (2, 3, 150, 9), (301, 33), (3, 0), (0, 4)]
)
def test_gram_step(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    value = drawn(shape, dtype)
    expected = np.einsum("...ik,...jk->...ij", value, value)
    step = Gram((0,), expected.shape)
    if name == "array_api_strict":
        xp = pytest.importorskip("array_api_strict")
        lib, one = backend("array_api"), xp.asarray(value)
        program = Program((("a", shape),), (step,), 1)
        found = np.asarray(lib.compile(program, lib.place(one))([one]))
    else:
        found = run_step(name, step, value)
    assert found.dtype == value.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 100), (2, 150, 33), (300, 1000)])
def test_gram_is_exactly_symmetric(
    name: str, dtype: str, shape: tuple[int, ...]
) -> None:
    value = np.random.default_rng(1).normal(size=shape).astype(dtype)
    expected = np.einsum("...ik,...jk->...ij", *[value.astype("float64")] * 2)
    found = run_step(name, Gram((0,), expected.shape), value)
    assert np.array_equal(found, found.swapaxes(-1, -2))
    limit = 1e-5 if dtype == "float32" else 1e-13
    assert np.abs(found - expected).max() <= limit * np.abs(expected).max() * 10


@pytest.mark.parametrize("rows", [1, 2, 144, 289, 1152, 5000])
def test_row_blocks_cover_every_row_once(rows: int) -> None:
    blocks = row_blocks(rows)
    assert [r for a, b in blocks for r in range(a, b)] == list(range(rows))
    assert len(blocks) <= 8


@pytest.mark.parametrize("inner", [5, 300])
def test_numpy_multiplies_an_array_by_its_own_transpose(inner: int) -> None:
    value = drawn((2, 130, inner))
    kernel = NumPyKernels(np, np.float64, "cpu").matmul
    run = kernel(
        Matmul((0, 1), (2, 130, 130)), [(2, 130, inner), (2, inner, 130)], False
    )
    expected = np.einsum("nik,njk->nij", value, value)
    assert np.array_equal(run(value, value.swapaxes(-1, -2)), expected)
    assert np.array_equal(run(value, value.swapaxes(-1, -2).copy()), expected)


def planned(network: Network, name: str, forms: list[str]) -> Any:
    """With these forms alone, and no rival network that others might contract."""
    return tnconv.expression(
        network, backend=name, dtype="float64", forms=forms, alternatives=False
    )


@pytest.mark.parametrize("name", BACKENDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_kfac_by_triangles(name: str, data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 2))
    groups = data.draw(st.integers(1, 2))
    kernel = tuple(data.draw(st.integers(1, 3)) for _ in range(ndim))
    space = tuple(data.draw(st.integers(3, 6)) for _ in range(ndim))
    network = networks.kfac_input_factor(
        (2, 2 * groups, *space),
        kernel,
        approximation=data.draw(st.sampled_from(["expand", "reduce"])),
        stride=data.draw(st.integers(1, 2)),
        padding=data.draw(st.integers(0, 2)),
        groups=groups,
        normalization="none",
    )
    value = drawn(network.arguments["x"], seed=data.draw(st.integers(0, 99)))
    made = planned(network, name, FORMS)
    assert any(isinstance(step, Gram) for step in made.planned.program.steps)
    found = np.asarray(made(array(name, value)))
    assert np.array_equal(found, evaluate(network, {"x": value}))


@pytest.mark.parametrize("name", BACKENDS)
def test_triangles_are_chosen_for_a_dense_factor(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    network = networks.kfac_input_factor((8, 64, 56, 56), (3, 3), padding=1)
    made = tnconv.expression(
        network, backend=name, forms=["window", "gemm", "half"], alternatives=False
    )
    assert [step.form for step in made.plan.steps][-1] == "half"


def test_triangles_are_left_alone_where_they_cannot_win() -> None:
    network = networks.kfac_input_factor((2, 4, 9), 3)
    program = tnconv.expression(network, backend="array_api").planned.program
    assert not any(isinstance(step, Gram) for step in program.steps)
    whole = tnconv.expression(network, dtype="int64").planned.program
    assert not any(isinstance(step, Gram) for step in whole.steps)


def test_copies_that_differ_in_what_is_kept_are_no_triangle() -> None:
    unfolded = tnconv.parse("x: n i j -> n i j", shapes={"x": (3, 4, 4)})
    both = pair(unfolded, shared=("n",), output=("i", "j'"))
    value = drawn((3, 4, 4))
    found = planned(both, "numpy", ["half", "multiply", "gemm"])(value)
    expected = np.einsum("nij,nkl->il", value, value)
    assert np.array_equal(found, expected)
    turned = tnconv.parse("x: i j, x: j i -> i j", shapes={"x": (4, 4)})
    expected = value[0] * value[0].T
    assert np.array_equal(planned(turned, "numpy", FORMS)(value[0]), expected)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_number_that_is_not_finite_stays_in_its_row_and_column(name: str) -> None:
    value = np.ones((300, 20))
    value[17, 3], value[200, 5] = np.nan, np.inf
    found = run_step(name, Gram((0,), (300, 300)), value)
    touched = np.zeros((300, 300), bool)
    touched[[17, 200]] = touched[:, [17, 200]] = True
    assert np.array_equal(~np.isfinite(found), touched)
    assert np.isnan(found[17]).all()
    assert np.array_equal(found, found.T, equal_nan=True)


LAGS = ["window", "lag"]


def drawn_geometry(data: st.DataObject) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A map and the hyper-parameters of a stride-1 layer, odd ones included."""
    ndim = data.draw(st.sampled_from([1, 1, 2, 2, 3]))
    most = 4 if ndim < 3 else 2
    groups = data.draw(st.integers(1, 3))
    channels = groups * data.draw(st.integers(1, 2))
    kernel = tuple(data.draw(st.integers(1, most)) for _ in range(ndim))
    dilation = tuple(data.draw(st.integers(1, 2)) for _ in range(ndim))
    ends = st.integers(-1, 3)
    padding = tuple((data.draw(ends), data.draw(ends)) for _ in range(ndim))
    space = []
    for k, d, (before, after) in zip(kernel, dilation, padding, strict=True):
        least = max(1, 1 - min(before, 0) - min(after, 0))
        least = max(least, d * (k - 1) + 1 - before - after)
        space.append(data.draw(st.integers(least, least + 5)))
    shape = (data.draw(st.integers(1, 2)), channels, *space)
    hyper = {"dilation": dilation, "padding": padding, "groups": groups}
    return shape, {"kernel_size": kernel, **hyper}


def unfolded(x: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """(groups, c * taps, batch * positions) by plain loops over kernel positions."""
    wide = np.pad(
        x, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in how["padding"])]
    )
    cuts = [slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in
            zip(how["padding"], wide.shape[2:], strict=True)]  # fmt: skip
    wide = wide[(slice(None), slice(None), *cuts)]
    steps = list(zip(how["kernel_size"], how["dilation"], wide.shape[2:], strict=True))
    out = [n - d * (k - 1) for k, d, n in steps]
    taps = []
    for at in np.ndindex(*how["kernel_size"]):
        places = zip(at, how["dilation"], out, strict=True)
        cut: Any = (..., *(slice(d * j, d * j + o) for j, d, o in places))
        taps.append(wide[cut])
    found = np.stack(taps, axis=2).reshape(len(x), x.shape[1], len(taps), -1)
    found = found.transpose(1, 2, 0, 3)
    return found.reshape(how["groups"], -1, len(x) * found.shape[-1])


@pytest.mark.parametrize("name", BACKENDS)
def test_kfac_by_lags(name: str) -> None:
    fired = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        shape, how = drawn_geometry(data)
        network = networks.kfac_input_factor(shape, normalization="none", **how)
        value = drawn(shape, seed=data.draw(st.integers(0, 99)))
        made = planned(network, name, LAGS)
        columns = unfolded(value, how)
        found = np.asarray(made(array(name, value)))
        assert np.array_equal(found, columns @ columns.swapaxes(1, 2))
        fired.append(any(step.form == "lag" for step in made.plan.steps))

    check()
    assert sum(fired) > 10


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lags_are_near_and_symmetric(name: str, dtype: str) -> None:
    how: dict[str, Any] = {"kernel_size": (3, 5), "dilation": (1, 2), "groups": 2}
    how["padding"] = ((1, 1), (4, 2))
    shape = (3, 6, 9, 20)
    network = networks.kfac_input_factor(shape, normalization="none", **how)
    made = tnconv.expression(
        network, backend=name, dtype=dtype, forms=["window", "lag"], alternatives=False
    )
    assert any(step.form == "lag" for step in made.plan.steps)
    value = np.random.default_rng(3).normal(size=shape).astype(dtype)
    columns = unfolded(value.astype("float64"), how)
    found = np.asarray(made(array(name, value)))
    assert found.dtype == dtype
    expected = columns @ columns.swapaxes(1, 2)
    near = 1e-5 if dtype == "float32" else 1e-13
    assert np.abs(found - expected).max() <= near * np.abs(expected).max()
    assert np.array_equal(found, found.swapaxes(1, 2))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 1, 6, 11])
def test_under_lags_a_number_that_is_not_finite_reaches_what_reads_it(
    name: str, bad: float, at: int
) -> None:
    size, kernel, padding = 12, 3, 1
    value = np.ones((1, 1, size))
    value[0, 0, at] = bad
    network = networks.kfac_input_factor(
        value.shape, (kernel,), padding=padding, normalization="none"
    )
    made = planned(network, name, ["lag"])
    found = np.asarray(made(array(name, value)))[0]
    for k in range(kernel):
        for other in range(kernel):
            pairs = [(o + k - padding, o + other - padding) for o in range(size)]
            reads = [p for p in pairs if 0 <= min(p) and max(p) < size]
            expected = sum(value[0, 0, i] * value[0, 0, j] for i, j in reads)
            assert np.array_equal(found[k, other], expected, equal_nan=True)


@pytest.mark.parametrize("name", BACKENDS)
def test_lags_are_chosen_for_a_dense_factor_and_not_for_strides(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    for stride in (1, 2):
        network = networks.kfac_input_factor(
            (8, 64, 56, 56), (3, 3), padding=1, stride=stride
        )
        made = tnconv.expression(network, backend=name, alternatives=False)
        chosen = {step.form for step in made.plan.steps}
        assert ("lag" in chosen) == (stride == 1)
        assert stride == 1 or chosen & {"half", "native"}


@pytest.mark.parametrize("name", BACKENDS)
def test_pairs_that_read_nothing_together_are_zero(name: str) -> None:
    value = np.full((1, 1, 3), np.inf)
    network = networks.kfac_input_factor(
        value.shape, (4,), padding=3, normalization="none"
    )
    made = planned(network, name, ["lag"])
    assert [step.form for step in made.plan.steps] == ["lag"]
    found = np.asarray(made(array(name, value)))[0]
    assert found[0, 3] == found[3, 0] == 0
    assert np.isposinf(found[0, 2]) and np.isposinf(found[1, 1])


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("label", ["c", "c'", "k0", "k0'", "o0"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_copy_that_is_cut_is_no_twin(name: str, label: str, start: int) -> None:
    """Half of one copy's channels or positions, as in a block, beside the other."""
    whole = without_conjugates(
        networks.kfac_input_factor((2, 4, 9), (3,), padding=1, normalization="none")
    )
    network = restrict(whole, label, start, 2)
    values = {"x": np.random.default_rng(0).integers(-3, 4, (2, 4, 9)) * 1.0}
    for forms in (["window", "half"], ["window", "lag"], None):
        made = tnconv.expression(network, backend=name, dtype="float64", forms=forms)
        found = np.asarray(made(array(name, values["x"])))
        np.testing.assert_array_equal(found, evaluate(network, values))
