"""Ranks by error, budget and noise: what was asked for is what comes out."""

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factor.test_decompose import normal

from tnconv.errors import ArgumentError
from tnconv.factor import (
    EVBMF,
    FORMATS,
    Energy,
    Fraction,
    KernelShape,
    RelativeError,
    Workload,
    format_network,
    rank_caps,
)
from tnconv.factor.decompose import decompose
from tnconv.factor.evbmf import evbmf

TREES = [name for name in FORMATS if name not in ("cp", "cp3", "tr")]


@settings(max_examples=25, deadline=None)
@given(
    format=st.sampled_from(TREES),
    error=st.floats(0, 1),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_the_error_asked_for(format: str, error: float, groups: int, seed: int) -> None:
    weight = normal(8, 6 // groups, 2, 3, seed=seed)
    found = decompose(weight, format, RelativeError(error), groups=groups)
    assert found.error is not None and found.error <= error + 1e-7


@pytest.mark.parametrize("format", ["cp", "cp3", "tr"])
def test_the_error_asked_for_by_trial(format: str) -> None:
    weight = normal(5, 4, 3)
    found = decompose(weight, format, RelativeError(0.4))
    assert found.error is not None and found.error <= 0.4
    assert found.parameters < 3 * weight.size


def test_one_cut_is_the_least_rank() -> None:
    weight = normal(8, 5, 3)
    values = np.linalg.svd(weight.reshape(8, -1), compute_uv=False)
    shares = np.cumsum(values**2) / np.sum(values**2)
    for share in (0.3, 0.8, 0.99):
        least = int(np.argmax(shares >= share)) + 1
        assert decompose(weight, "svd-out", Energy(share)).ranks == (least,)
    assert decompose(weight, "svd-out", Energy(1)).ranks == (8,)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_budget_of_parameters_is_used_up(format: str, share: float) -> None:
    weight, kernel = normal(12, 10, 3, 3), KernelShape((12, 10, 3, 3))
    found = decompose(weight, format, Fraction(share))
    assert found.parameters <= share * weight.size
    caps = rank_caps(format, kernel).values()
    for at in range(len(found.ranks)):  # no single rank can grow
        more = tuple(r + (j == at) for j, r in enumerate(found.ranks))
        if more[at] <= tuple(caps)[at]:
            network = format_network(format, kernel, more)
            if format != "tr":  # its ranks grow together
                assert sum(map(prod, network.arguments.values())) > share * weight.size


@pytest.mark.parametrize("transposed", [False, True])
def test_a_budget_of_multiply_adds(transposed: bool) -> None:
    work = Workload((16, 12), hyper={"stride": 2, "padding": 1})
    weight = normal(8, 6, 3, 3)
    found = decompose(
        weight, "tucker2", Fraction(0.4, "macs"), transposed=transposed, workload=work
    )
    shape = KernelShape((8, 6, 3, 3), transposed=transposed)
    out = work.output_size(shape)
    positions = prod((16, 12) if transposed else out)
    assert found.macs(out, (16, 12)) <= 0.4 * weight.size * positions
    assert found.fit is not None and "macs" in found.fit.reason


def test_a_budget_of_seconds() -> None:
    work = Workload(24, batch=8, hyper={"padding": 1})
    weight = normal(32, 32, 3, 3).astype("float32")
    found = decompose(weight, "svd-out", Fraction(0.6, "seconds"), workload=work)
    shape = KernelShape((32, 32, 3, 3))
    dense = work.seconds(shape, weight)
    assert work.seconds(shape, weight, found.network) <= 0.6 * dense


def test_noise_decides_for_each_cut() -> None:
    rng = np.random.default_rng(0)
    core = np.linalg.qr(rng.standard_normal((16, 16)))[0][:, :3]
    left = rng.standard_normal((40, 3))
    weight = np.einsum("dp,cp,k->dck", left, core, np.ones(5))
    weight += 0.02 * rng.standard_normal(weight.shape)
    found = decompose(weight, "tucker2", EVBMF())
    expected = []
    for axis in (0, 1):
        flat = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
        values = np.linalg.svd(flat, compute_uv=False)
        expected.append(evbmf(values, (flat.shape[0], flat.shape[1])).rank)
    assert found.ranks == tuple(expected) == (3, 3)
    assert decompose(weight, "cp", EVBMF()).ranks == (3,)
    assert decompose(weight, "tucker2", EVBMF(weaken=1)).ranks == (40, 16)
    assert decompose(weight, "tucker2", EVBMF(weaken=0.5)).ranks == (22, 10)


def test_noise_alone_is_rank_one_with_a_remark() -> None:
    found = decompose(normal(16, 12, 3, 3), "tucker2", EVBMF())
    assert found.ranks == (1, 1)
    assert found.fit is not None
    assert [
        bond in remark for bond, remark in zip("pq", found.fit.remarks, strict=True)
    ]


def test_dead_channels_do_not_change_the_noise() -> None:
    weight = normal(24, 10, 3, 3) + 5 * np.ones((24, 10, 3, 3))
    padded = np.concatenate([weight, np.zeros((24, 30, 3, 3))], axis=1)
    ranks = [decompose(w, "tucker2", EVBMF()).ranks for w in (weight, padded)]
    assert ranks[0] == ranks[1]


def test_ranks_in_steps() -> None:
    weight = normal(16, 12, 3, 3)
    plain = decompose(weight, "tucker2", RelativeError(0.5)).ranks
    stepped = decompose(weight, "tucker2", RelativeError(0.5), round_to=4).ranks
    assert stepped == tuple(-(-r // 4) * 4 for r in plain)
    budget = decompose(weight, "tucker2", Fraction(0.5), round_to=4)
    assert all(rank % 4 == 0 for rank in budget.ranks)
    assert budget.parameters <= 0.5 * weight.size
    assert decompose(weight, "tucker2", (3, 11), round_to=8).ranks == (8, 12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fraction(0),
        lambda: Fraction(1.5),
        lambda: Fraction(0.5, of="bytes"),  # type: ignore[arg-type]
        lambda: Energy(float("nan")),
        lambda: Energy(True),
        lambda: RelativeError(-0.1),
        lambda: EVBMF(weaken=2),
    ],
)
def test_shares_that_are_none(make: Any) -> None:
    with pytest.raises(ArgumentError, match="give"):
        make()
