"""Symmetric results: the triangle form, and the step it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.twins import BACKENDS, FORMS, array, drawn, planned

import tnconv
from tnconv import networks
from tnconv.edits import pair, restrict, without_conjugates
from tnconv.execution.program import Gram, Matmul, Program
from tnconv.execution.registry import backend
from tnconv.execution.ways import row_blocks
from tnconv.testing import evaluate
from tnconv_backends.numpy import NumPyKernels


def run_step(name: str, step: Any, value: np.ndarray) -> np.ndarray:
    """One step on a backend, its only source the argument."""
    given = array(name, value)
    program = Program((("a", value.shape),), (step,), 1)
    lib = backend(name)
    return np.asarray(lib.compile(program, lib.place(given))([given]))


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
