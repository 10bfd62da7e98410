"""Symmetric results by lags: a product for each distance of two kernel positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.twins import BACKENDS, array, drawn, planned

import tnconv
from tnconv import networks

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
