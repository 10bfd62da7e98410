"""The public door: every format on every kind of weight, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.libraries import LIBRARIES, NUMPY, TORCH, Library

import tnconv
from tnconv.errors import ArgumentError, ArrayError
from tnconv.factor import (
    EVBMF,
    FORMATS,
    Energy,
    FactorizedKernel,
    Fraction,
    KernelShape,
    RelativeError,
    format_network,
    rank_caps,
)
from tnconv.factor.decompose import decompose
from tnconv.network import Network

Array = NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def planted(format: str, shape: tuple[int, ...], rank: int, **more: Any) -> Array:
    """A weight that a format holds exactly."""
    kernel = KernelShape(shape, **more)
    caps = rank_caps(format, kernel)
    ranks = tuple(min(rank, cap) for cap in caps.values())
    network = format_network(format, kernel, ranks)
    factors = [normal(*s, seed=j) for j, s in enumerate(network.arguments.values(), 1)]
    return np.asarray(FactorizedKernel.of(format, shape, factors, **more).to_dense())


SHAPES = ((8, 6, 3), (6, 4, 3, 2), (4, 3, 2, 3, 2), (6, 5))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("more", [{}, {"groups": 2}, {"groups": 2, "transposed": True}])
def test_a_weight_of_low_rank_is_found_again(
    format: str, shape: tuple[int, ...], more: dict[str, Any]
) -> None:
    if format == "svd-spatial" and len(shape) < 4:
        pytest.skip("needs two spatial axes")
    weight = planted(format, shape, 2, **more)
    caps = rank_caps(format, KernelShape(shape, **more))
    found = decompose(weight, format, tuple(min(2, c) for c in caps.values()), **more)
    assert found.shape == shape
    assert found.groups == more.get("groups", 1)
    assert found.error is not None
    assert found.error_to(weight) == pytest.approx(found.error, abs=1e-7)
    exact = format not in ("cp", "cp3", "tr")  # these are found by descent
    assert found.error < (1e-7 if exact else 0.1)


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_are_arrays_of_the_weights_library(
    library: Library, dtype: str
) -> None:
    weight = normal(6, 4, 3)
    expected = decompose(weight.astype(dtype), "tucker2", 3)
    found = decompose(library.array(weight, dtype), "tucker2", 3)
    for ours, theirs in zip(found.factors, expected.factors, strict=True):
        library.check(ours, dtype)
        np.testing.assert_allclose(
            np.abs(library.values(ours)), np.abs(theirs), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("library", [NUMPY, TORCH], ids=str)
def test_factors_lie_row_after_row(library: Library, format: str) -> None:
    """Others would be copied in every call."""
    weight = library.array(normal(6, 4, 3, 3), "float32")
    for factor in decompose(weight, format, 2).factors:
        moves = np.asarray(library.values(factor)).strides
        assert moves == np.empty(factor.shape, np.float32).strides


@pytest.mark.parametrize(
    ("library", "dtype", "unit"),
    [(NUMPY, "float16", 1e-3), (TORCH, "float16", 1e-3), (TORCH, "bfloat16", 8e-3)],
)
def test_halves_are_fitted_wide_and_rounded_once(
    library: Library, dtype: str, unit: float
) -> None:
    weight = planted("svd-out", (6, 4, 3), 2)
    found = decompose(library.array(weight, dtype), "svd-out", 2)
    assert found.error is not None and found.error < unit
    product = np.einsum("dr,rck->dck", *map(library.values, found.factors))
    away = np.linalg.norm(product - weight) / np.linalg.norm(weight)
    assert away < 4 * unit


def test_one_seed_gives_one_kernel() -> None:
    weight = normal(6, 5, 3)
    first, again = (decompose(weight, "cp", 9, seed=3) for _ in range(2))
    for a, b in zip(first.factors, again.factors, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("format", FORMATS)
def test_factors_have_one_norm(format: str) -> None:
    found = decompose(1e-3 * normal(8, 6, 3, 3), format, 2)
    norms = [np.linalg.norm(factor) for factor in found.factors]
    if format != "tucker":  # its core is joined to every factor
        assert max(norms) < 20 * min(norms)
    bond = next(a for a in found.network.sizes if a not in found.network.output_labels)
    slices = []
    for operand, factor in zip(found.network.inputs, found.factors, strict=True):
        if bond in operand.labels:
            moved = np.moveaxis(factor, operand.labels.index(bond), 0)
            slices.append(np.linalg.norm(moved.reshape(len(moved), -1), axis=1))
    for other in slices[1:]:
        np.testing.assert_allclose(other, slices[0], rtol=1e-2)


@pytest.mark.parametrize("scale", [1e-200, 1e150])
def test_scale_changes_nothing(scale: float) -> None:
    weight = normal(6, 4, 3)
    plain, scaled = (decompose(w, "cp3", 5) for w in (weight, weight * scale))
    assert plain.error == pytest.approx(scaled.error, rel=1e-6)
    np.testing.assert_allclose(
        scaled.to_dense() / scale, plain.to_dense(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rank", [1, EVBMF(), Energy(0.9), RelativeError(0.2)])
def test_zero_weights(format: str, rank: Any) -> None:
    found = decompose(np.zeros((4, 3, 2, 2)), format, rank)
    assert found.error == 0
    assert set(found.ranks) == {1}
    assert not any(np.any(factor) for factor in found.factors)


@pytest.mark.parametrize("format", FORMATS)
def test_dead_filters_and_single_channels(format: str) -> None:
    dead = normal(6, 4, 3, 3)
    dead[2:4] = 0
    dead[:, 1] = 0
    for weight in (dead, normal(1, 1, 3, 3), normal(1, 5, 3, 3)):
        found = decompose(weight, format, RelativeError(0.3))
        assert found.error is not None and found.error <= 0.3
        assert found.error_to(weight) == pytest.approx(found.error, abs=1e-7)
        assert all(np.all(np.isfinite(factor)) for factor in found.factors)


def test_depthwise_is_fitted_channel_by_channel() -> None:
    weight = normal(5, 1, 7, 7)
    found = decompose(weight, "svd-spatial", 2, groups=5)
    for channel in range(5):
        u, s, v = np.linalg.svd(weight[channel, 0])
        best = (u[:, :2] * s[:2]) @ v[:2]
        np.testing.assert_allclose(found.to_dense()[channel, 0], best, atol=1e-10)


def test_a_network_of_ones_own() -> None:
    """Channels split in two, and a bond around a square: no format of ours."""
    text = "a: d r s, b: r c u, e: u t k, f: t s l -> d c k l"
    sizes = {"d": 6, "c": 5, "k": 3, "l": 2, "r": 3, "s": 2, "t": 2, "u": 3}
    shapes = {
        name: tuple(sizes[label] for label in labels)
        for name, labels in {"a": "drs", "b": "rcu", "e": "utk", "f": "tsl"}.items()
    }
    network: Network = tnconv.parse(text, shapes=shapes)
    factors = [normal(*shape, seed=j) for j, shape in enumerate(shapes.values())]
    weight = FactorizedKernel.of(network, (6, 5, 3, 2), factors).to_dense()
    found = decompose(weight, network)
    assert found.format == "custom"
    assert found.error is not None and found.error < 0.05
    again = FactorizedKernel.from_spec(found.spec(), found.arrays())
    np.testing.assert_array_equal(again.to_dense(), found.to_dense())


@pytest.mark.parametrize(
    ("weight", "arguments", "error", "words"),
    [
        (np.ones((4, 3, 2), int), ("cp", 1), ArrayError, "int64.*real floats"),
        (np.ones((4, 3, 2), complex), ("cp", 1), ArrayError, "complex128"),
        ([[1.0]], ("cp", 1), ArrayError, "list"),
        (np.full((4, 3, 2), np.nan), ("cp", 1), ArgumentError, "NaN"),
        (np.full((4, 3, 2), np.inf), ("tt", 1), ArgumentError, "infinite"),
        (np.ones((4, 3, 2)), ("cpd", 1), ArgumentError, "'cpd' is not known"),
        (np.ones((4, 3, 2)), ("tucker2", (2, 4)), ArgumentError, "4 of bond 'q'"),
        (np.ones((4, 3, 2)), ("tucker2", 0), ArgumentError, "rank 0"),
        (np.ones((4, 3, 2)), ("tucker2", True), ArgumentError, "True"),
        (np.ones((4, 3, 2)), ("tucker2", 1.5), ArgumentError, "1.5"),
        (np.ones((4, 3, 2)), ("tucker2", float("nan")), ArgumentError, "nan"),
        (np.ones((4, 3, 2)), ("tucker2", (1, 1, 1)), ArgumentError, "3 ranks for 2"),
        (np.ones((4, 3, 2)), ("tucker2", None), ArgumentError, "no rank"),
        (np.ones((4, 3, 2)), ("svd-spatial", 1), ArgumentError, "spatial axes"),
        (np.ones((4, 3, 2)), ("cp", Fraction(0.01)), ArgumentError, "already cost"),
        (np.ones((4, 3, 2)), ("cp", Fraction(0.5, "macs")), ArgumentError, "workload"),
        (np.ones(4), ("cp", 1), ArgumentError, "two channel sizes"),
    ],
)
def test_what_is_refused(
    weight: Any, arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        decompose(weight, *arguments)


@pytest.mark.parametrize("round_to", [0, 1.0, True])
def test_steps_of_ranks_are_ints(round_to: Any) -> None:
    with pytest.raises(ArgumentError, match="round_to"):
        decompose(normal(4, 3, 2), "cp", 1, round_to=round_to)


def test_networks_that_are_no_factors() -> None:
    weight = normal(6, 5)
    for text, words in (
        ("a: d r, b: c -> d c", "on one factor only"),
        ("a: d r, b: r c, i ~ 2 d + k -> i c", "no factor"),
    ):
        shapes = {"a": (3, 2), "b": (2, 5) if "r c" in text else (5,)}
        sizes = {"i": 6, "k": 1} if "i" in text else {}
        network = tnconv.parse(text, shapes=shapes, sizes=sizes)
        with pytest.raises(ArgumentError, match=words):
            decompose(weight[: network.shape[0]], network)
