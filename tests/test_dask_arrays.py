"""Chunked arrays: lazy, chunk by chunk, and the numbers that NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.libraries import Array
from tests.strategies import Case, Limits, cases, seeds

import tnconv
from tnconv.errors import ArrayError
from tnconv.execution.crew import contract_block

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

OPERATIONS = (
    *("conv", "conv_weight_vjp", "conv_input_vjp", "kfac_input_factor"),
    *("conv_transpose", "unfold"),
)


def refuse(*arguments: Any, **named: Any) -> Any:
    """A scheduler that computes nothing."""
    raise AssertionError("something was computed before it was asked for")


def lazily(case: Case, arrays: dict[str, Array], chunks: dict[str, Any]) -> Any:
    """The operation on chunked arrays, nothing computed."""
    given = {n: da.from_array(x, chunks=chunks[n]) for n, x in arrays.items()}
    with dask.config.set(scheduler=refuse):
        return case.apply(tnconv, given)


def computed(lazy: Any) -> Array:
    """The values, in this thread."""
    return np.asarray(lazy.compute(scheduler="synchronous"))


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_chunks_give_the_result_or_say_why_not(operation: str, data: Any) -> None:
    case = data.draw(cases(operation, Limits(axes=(1, 2), filled=True)))
    case.shapes.pop("bias", None)
    arrays = {
        n: np.asarray(x, float) for n, x in case.integers(data.draw(seeds())).items()
    }
    chunks = {
        name: tuple(data.draw(st.integers(1, max(1, size))) for size in x.shape)
        for name, x in arrays.items()
    }
    expected = case.apply(tnconv, arrays)
    try:
        lazy = lazily(case, arrays, chunks)
    except ArrayError as error:
        assert "rechunk" in str(error) or "one chunk" in str(error)
        return
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(computed(lazy), expected, rtol=1e-12, atol=1e-12)


def layer(chunks: tuple[int, ...]) -> tuple[Any, Any, Array]:
    """A chunked map, a kernel, and their convolution."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((6, 4, 12, 12)), rng.standard_normal((5, 4, 3, 3))
    expected = tnconv.conv(x, w, padding=1)
    return da.from_array(x, chunks=chunks), da.from_array(w, chunks=-1), expected


def recorded(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any]
) -> tuple[Array, list[tuple[int, ...]]]:
    """What a call gives, and the shapes of all that tasks read first."""
    shapes: list[tuple[int, ...]] = []

    def watched(name: str, program: Any, parts: Any) -> Any:
        shapes.append(parts[0].shape)
        return contract_block(name, program, parts)

    monkeypatch.setattr("tnconv_backends.dask.chunks.contract_block", watched)
    return computed(call()), shapes


def test_a_chunked_batch_stays_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, expected = layer((2, 4, 12, 12))
    lazy = tnconv.conv(x, w, padding=1)
    assert lazy.chunks == ((2, 2, 2), (5,), (12,), (12,))
    assert lazy.dtype == expected.dtype
    found, read = recorded(monkeypatch, lambda: tnconv.conv(x, w, padding=1))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert read == [(2, 4, 12, 12)] * 3


def test_chunks_of_positions_read_their_neighbors_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, w, expected = layer((6, 4, 4, 12))
    found, read = recorded(monkeypatch, lambda: tnconv.conv(x, w, padding=1))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert sorted(read) == [(6, 4, 5, 12), (6, 4, 5, 12), (6, 4, 6, 12)]
    assert tnconv.conv(x, w, padding=1).chunks[2] == (4, 4, 4)


def test_chunks_of_channels_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, expected = layer((6, 1, 12, 12))
    found, read = recorded(monkeypatch, lambda: tnconv.conv(x, w, padding=1))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert read == [(6, 1, 12, 12)] * 4


def test_a_bias_and_a_kernel_in_factors() -> None:
    x, w, _ = layer((2, 4, 12, 12))
    b = da.ones(5, chunks=-1)
    plain = tnconv.conv(np.asarray(x), np.asarray(w), np.ones(5), padding=1)
    found = computed(tnconv.conv(x, w, b, padding=1))
    np.testing.assert_allclose(found, plain, rtol=1e-12, atol=1e-12)


def test_groups_in_chunks_are_refused_in_words() -> None:
    x, w, _ = layer((6, 2, 12, 12))
    with pytest.raises(ArrayError, match=r"axis 1 of x.*rechunk\(\{1: -1\}\)"):
        tnconv.conv(x, w[:4, :2], groups=2)


def test_padding_modes_of_chunked_positions_are_refused_in_words() -> None:
    x, w, _ = layer((6, 4, 4, 12))
    with pytest.raises(ArrayError, match=r"axis 2 of x.*rechunk\(\{2: -1\}\)"):
        tnconv.conv(x, w, padding=1, padding_mode="reflect")


def test_unknown_chunks_are_refused_in_words() -> None:
    x, w, _ = layer((2, 4, 12, 12))
    with pytest.raises(ArrayError, match="compute_chunk_sizes"):
        tnconv.conv(x[x.sum(axis=(1, 2, 3)) > 0], w)


def test_chunked_and_other_arrays_are_not_mixed() -> None:
    x, w, _ = layer((2, 4, 12, 12))
    with pytest.raises(ArrayError, match="weight has backend numpy, x has dask"):
        tnconv.conv(x, np.asarray(w))
