"""Tensor dropout: against loops on what is kept, unbiased, drawn alike everywhere."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests import oracles
from tests.libraries import LIBRARIES, Library
from tests.strategies import Case, Limits, cases, seeds
from tests.test_conformance import LONG

import tnconv
from tnconv import functions, networks
from tnconv.dropout import Share, drawn, kept, part
from tnconv.errors import ArgumentError
from tnconv.network import Network

VJPS = (
    "conv_weight_vjp",
    "conv_input_vjp",
    "conv_transpose_weight_vjp",
    "conv_transpose_input_vjp",
)
SMALL = Limits(axes=(1, 1, 2), filled=True)
HALVES = {"n": 0.5, "c": 0.5, "d": 0.5, "o0": 0.5, "i0": 0.34}


def network_of(case: Case) -> Network:
    """The network of a case, by its builder."""
    build: Callable[..., Network] = getattr(networks, case.operation)
    return build(*case.shapes.values(), *case.extra, **case.hyper)


def where(case: Case, label: str) -> list[tuple[str, int]]:
    """The arrays and axes that a label stands on."""
    transposed = case.operation.startswith("conv_transpose")
    role, axis = label[0], 2 + int(label[1:] or 0)
    wide, narrow = ("cotangent", "x") if transposed else ("x", "cotangent")
    places = {
        "n": [(wide, 0), (narrow, 0)],
        "c": [(wide, 1), ("weight", 1)],
        "d": [(narrow, 1), ("weight", 0)],
        "i": [(wide, axis)],
        "o": [(narrow, axis)],
        "k": [("weight", axis)],
    }[role]
    return [(name, at) for name, at in places if name in case.shapes]


def dropped(
    case: Case, arrays: dict[str, Any], shares: tuple[Share, ...], fill: float
) -> dict[str, Any]:
    """Copies of the arrays with ``fill`` wherever a share leaves something out."""
    found = {name: array.copy() for name, array in arrays.items()}
    groups = case.hyper["groups"]
    for share in shares:
        values = range(share.start, share.start + share.size * share.step, share.step)
        for name, at in where(case, share.label):
            turned = np.moveaxis(found[name], at, 0)
            length = len(turned)
            inner = length
            if share.label in "cd" and not (name == "weight" and at == 1):
                inner = length // groups
            gone = [j for j in range(length) if j % inner not in values]
            turned[gone] = fill
    return found


@st.composite
def sampled(draw: Any) -> tuple[Case, dict[str, float]]:
    """A VJP without padding modes on its labels, and shares of some of them."""
    case = draw(cases(draw(st.sampled_from(VJPS)), SMALL))
    case.hyper.pop("per_example", None)
    network = network_of(case)
    labels = {label for op in network.inputs for label in op.labels} - {"g"}
    if case.hyper.get("padding_mode", "zeros") != "zeros":
        labels = {label for label in labels if label[0] != "i"}
    names = draw(st.sets(st.sampled_from(sorted(labels)), min_size=1))
    share = st.sampled_from((0.2, 0.25, 0.4, 0.5, 0.75, 1.0))
    return case, {label: draw(share) for label in sorted(names)}


def strided(labels: str) -> tuple[Case, dict[str, float]]:
    """Labels of which patterns cannot take steps all at once."""
    shapes: dict[str, tuple[int, ...]]
    shapes = {"weight": (4, 2, 5), "cotangent": (2, 2, 15)}
    hyper = {"stride": 2, "dilation": 1, "groups": 1}
    case = Case("conv_transpose_input_vjp", shapes, (6,), hyper)
    return case, dict.fromkeys(labels.split(), 0.5)


@example(drawn_case=strided("k0 i0"), seed=0)
@example(drawn_case=strided("k0 i0"), seed=1)
@given(drawn_case=sampled(), seed=seeds())
@LONG
def test_it_is_the_vjp_of_what_is_kept_and_reads_nothing_else(
    drawn_case: tuple[Case, dict[str, float]], seed: int
) -> None:
    case, keep = drawn_case
    shares = drawn(network_of(case), keep, seed)
    whole = case.integers(seed)
    scale = np.prod([share.scale for share in shares], initial=1)
    expected = scale * case.apply(oracles, dropped(case, whole, shares, 0))
    case.hyper.update(keep=keep, seed=seed)
    np.testing.assert_array_equal(case.apply(functions, whole), expected)
    floats = {name: array.astype(float) for name, array in whole.items()}
    holes = dropped(case, floats, shares, np.nan)
    np.testing.assert_allclose(case.apply(functions, holes), expected, atol=1e-9)


def every_draw(network: Network, parts: dict[str, int]) -> list[Network]:
    """The network on every combination of parts."""
    labels = list(parts)
    return [
        kept(
            network,
            [
                part(network, label, number, parts[label])
                for label, number in zip(labels, numbers, strict=True)
            ],
        )
        for numbers in product(*(range(parts[label]) for label in labels))
    ]


@pytest.mark.parametrize(
    "parts", ({"n": 3, "o0": 2}, {"i0": 4, "c": 2}, {"d": 3, "o0": 5}), ids=str
)
@pytest.mark.parametrize("stride", (1, 2))
def test_the_mean_over_all_draws_is_the_whole(
    parts: dict[str, int], stride: int
) -> None:
    rng = np.random.default_rng(0)
    x, size = rng.integers(-5, 6, (4, 4, 9)), (9 + 2 - 3) // stride + 1
    cotangent = rng.integers(-5, 6, (4, 6, size))
    hyper: dict[str, Any] = {"stride": stride, "padding": 1, "groups": 2}
    network = networks.conv_weight_vjp(x.shape, cotangent.shape, 3, **hyper)
    draws = every_draw(network, parts)
    total = sum(tnconv.contract(each, x, cotangent) for each in draws)
    exact = oracles.conv_weight_vjp(x, cotangent, 3, **hyper)
    np.testing.assert_array_equal(total, len(draws) * exact)


@pytest.mark.parametrize("share", (0.25, 0.4, 0.5, 0.8))
def test_the_mean_over_seeds_is_the_whole_within_four_sigma(share: float) -> None:
    rng = np.random.default_rng(1)
    x, cotangent = rng.standard_normal((4, 2, 6)), rng.standard_normal((4, 3, 6))
    direction = rng.standard_normal((3, 2, 3))
    keep = {"n": share, "o0": share, "c": share}

    def along(**drop: Any) -> float:
        gradient = tnconv.conv_weight_vjp(x, cotangent, (3,), padding=1, **drop)
        return float(np.vdot(direction, gradient))

    found = np.array([along(keep=keep, seed=seed) for seed in range(2000)])
    assert found.std() > 0
    error = abs(found.mean() - along()) * len(found) ** 0.5 / found.std(ddof=1)
    assert error < 4


@pytest.mark.parametrize("share", (0.2, 0.3, 0.5, 0.75, 1.0))
@pytest.mark.parametrize("label", ("n", "o0"))
def test_every_value_is_kept_as_often_as_its_share(label: str, share: float) -> None:
    network = networks.conv_weight_vjp((10, 3, 12), (10, 4, 10), 3)
    counts, draws = np.zeros(10), 4000
    for seed in range(draws):
        for found in drawn(network, {label: share}, seed):
            stop = found.start + found.size * found.step
            counts[found.start : stop : found.step] += found.scale
            break
        else:
            counts += 1
    most = int(np.ceil(1 / share))
    assert np.all(np.abs(counts / draws - 1) <= 5 * (most / draws) ** 0.5)


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
def test_a_seed_draws_the_same_on_every_library(library: Library) -> None:
    rng = np.random.default_rng(2)
    x, cotangent = rng.standard_normal((4, 4, 9)), rng.standard_normal((4, 6, 9))
    theirs, other = (library.array(values, "float64") for values in (x, cotangent))
    for seed in range(4):
        hyper: dict[str, Any] = {"padding": 1, "keep": HALVES, "seed": seed}
        expected = tnconv.conv_weight_vjp(x, cotangent, 3, **hyper)
        found = tnconv.conv_weight_vjp(theirs, other, 3, **hyper)
        np.testing.assert_allclose(library.values(found), expected, atol=1e-12)


def test_a_seed_draws_the_same_on_jax() -> None:
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(2)
    x, cotangent = (rng.standard_normal(s, np.float32) for s in ((4, 4, 9), (4, 6, 9)))
    hyper: dict[str, Any] = {"padding": 1, "keep": HALVES, "seed": 3}
    expected = tnconv.conv_weight_vjp(x, cotangent, 3, **hyper)
    found = jax.jit(lambda x, y: tnconv.conv_weight_vjp(x, y, 3, **hyper))
    np.testing.assert_allclose(found(x, cotangent), expected, atol=1e-4)


def test_what_a_seed_draws_is_fixed() -> None:
    network = networks.conv_weight_vjp((8, 4, 10), (8, 6, 8), 3)
    assert drawn(network, {"o0": 0.25, "n": 0.5}, 7) == drawn(
        network, {"n": 0.5, "o0": 0.25}, 7
    )
    assert drawn(network, {"n": 0.5}, 7) == (FIXED,)
    assert {drawn(network, {"n": 0.25}, seed) for seed in range(60)} == {
        (Share("n", start, 2, 1, 4),) for start in (0, 2, 4, 6)
    }


FIXED = Share("n", 0, 4, 1, 2)


def test_shares_of_one_and_no_shares_are_the_exact_call() -> None:
    rng = np.random.default_rng(3)
    x, cotangent = rng.standard_normal((3, 2, 8)), rng.standard_normal((3, 4, 6))
    exact = tnconv.conv_weight_vjp(x, cotangent, 3)
    shares: tuple[dict[str, float], ...] = ({}, {"n": 1.0, "o0": 1})
    for keep in shares:
        found = tnconv.conv_weight_vjp(x, cotangent, 3, keep=keep, seed=5)
        assert np.array_equal(found, exact)


def test_a_call_is_planned_once_for_each_part() -> None:
    from tnconv.execution.expression import _PLANS

    tnconv.clear_caches()
    x, cotangent = np.ones((8, 2, 8)), np.ones((8, 4, 6))
    for seed in range(40):
        tnconv.conv_weight_vjp(x, cotangent, 3, keep={"n": 0.25, "o0": 0.5}, seed=seed)
    assert len(_PLANS.entries) == 8


def test_some_of_a_label_is_always_kept() -> None:
    network = networks.conv_weight_vjp((3, 2, 8), (3, 4, 6), 3)
    sizes = {drawn(network, {"n": 1e-300}, seed)[0].size for seed in range(20)}
    assert sizes == {1}


X, Y = np.ones((2, 4, 9)), np.ones((2, 6, 9))
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"keep": {"k0": 0.5}, "seed": 0}, "'k0', which is on no array"),
    ({"keep": {"batch": 0.5}, "seed": 0}, "n (2), g (1), c (4), i0 (9), d (6), o0 (9)"),
    ({"keep": {"n": 0}, "seed": 0}, "0 for 'n'; give a share in (0, 1]"),
    ({"keep": {"n": 1.5}, "seed": 0}, "1.5 for 'n'"),
    ({"keep": {"n": float("nan")}, "seed": 0}, "nan for 'n'"),
    ({"keep": {"n": True}, "seed": 0}, "True for 'n'"),
    ({"keep": {"n": "0.5"}, "seed": 0}, "'0.5' for 'n'"),
    ({"keep": 0.5, "seed": 0}, "keep is 0.5; give a mapping"),
    ({"keep": {"n": 0.5}}, "seed=None; give an int"),
    ({"keep": {"n": 0.5}, "seed": 0.5}, "seed=0.5; give an int"),
    ({"keep": {"n": 0.5}, "seed": True}, "seed=True; give an int"),
    ({"keep": {"i0": 0.5}, "seed": 0, "padding_mode": "reflect"}, "a padding mode"),
)


@pytest.mark.parametrize(("hyper", "text"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused(hyper: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        tnconv.conv_weight_vjp(X, Y, 3, padding=1, **hyper)
    assert str(caught.value).startswith("conv_weight_vjp: keep") and text in str(
        caught.value
    )


def test_an_input_position_is_not_read_by_the_input_vjp() -> None:
    with pytest.raises(ArgumentError, match="'i0', which is on no array"):
        tnconv.conv_input_vjp(
            np.ones((6, 4, 3)), Y, 9, padding=1, keep={"i0": 1}, seed=0
        )
