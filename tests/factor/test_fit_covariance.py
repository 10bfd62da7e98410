"""Fits near what a layer gives, by the covariance of what it reads."""

from typing import Any

import numpy as np
import pytest
from tests.factor.fits import CASES, correlated
from tests.factor.test_decompose import normal

import tnconv
from tnconv.errors import ArgumentError
from tnconv.factor import FORMATS, FactorizedKernel
from tnconv.factor.decompose import decompose
from tnconv.factor.fit import equations


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("groups", "transposed"), CASES)
def test_a_covariance_brings_the_output_nearer(
    format: str, groups: int, transposed: bool
) -> None:
    x, rank = correlated(16, 6, 8, 8), 2
    shape = (6, 8 // groups, 3, 3) if transposed else (8, 6 // groups, 3, 3)
    weight = normal(*shape)
    more: dict[str, Any] = {"groups": groups, "transposed": transposed}
    run = tnconv.conv_transpose if transposed else tnconv.conv
    names = ("kfac_input_factor", "kfac_transpose_input_factor")
    covariance = getattr(tnconv, names[transposed])(x, 3, groups=groups)
    wanted = run(x, weight, groups=groups)

    def distance(kernel: FactorizedKernel) -> float:
        away = run(x, kernel.to_dense(), groups=groups) - wanted
        return float(np.linalg.norm(away) / np.linalg.norm(wanted))

    plain = decompose(weight, format, rank, **more)
    found = decompose(weight, format, rank, covariance=covariance, **more)
    assert distance(found) < distance(plain)
    assert found.fit is not None
    assert found.fit.output_error == pytest.approx(distance(found), rel=0.02)


def test_a_covariance_on_one_factor_gives_the_best_there_is() -> None:
    weight, x = normal(6, 9), correlated(200, 9)
    covariance = x.T @ x / len(x)
    damped = covariance + 1e-4 * np.trace(covariance) / 9 * np.eye(9)
    values, vectors = np.linalg.eigh(damped)
    root = vectors * np.sqrt(values)
    u, s, v = np.linalg.svd(weight @ root)
    best = (u[:, :3] * s[:3]) @ v[:3] @ np.linalg.inv(root)
    found = decompose(weight, "svd-out", 3, covariance=covariance)
    np.testing.assert_allclose(found.to_dense(), best, atol=1e-8)


def test_a_covariance_of_channels_alone() -> None:
    weight, x = normal(6, 5, 3, 3), correlated(16, 5, 8, 8)
    channels = np.einsum("nchw,ndhw->cd", x, x) / (16 * 64)
    whole = np.einsum("cd,kl->ckdl", channels, np.eye(9)).reshape(45, 45)
    pair = [decompose(weight, "tucker2", 3, covariance=c) for c in (channels, whole)]
    np.testing.assert_allclose(pair[0].to_dense(), pair[1].to_dense(), atol=0.02)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("groups", "transposed"), CASES)
def test_a_pair_of_covariances_is_their_kronecker_product(
    format: str, groups: int, transposed: bool
) -> None:
    rng = np.random.default_rng(3)
    shape = (6, 8 // groups, 3, 2) if transposed else (8, 6 // groups, 3, 2)
    inner = (shape[0] if transposed else 6) // groups
    mixes = [rng.standard_normal((groups, n, n)) for n in (inner, 6)]
    first, second = (mix @ mix.swapaxes(1, 2) for mix in mixes)
    full = np.einsum("gcd,gkl->gckdl", first, second).reshape(groups, inner * 6, -1)
    more: dict[str, Any] = {"groups": groups, "transposed": transposed}
    pair = decompose(normal(*shape), format, 2, covariance=(first, second), **more)
    whole = decompose(normal(*shape), format, 2, covariance=full, **more)
    assert pair.fit is not None and whole.fit is not None
    assert pair.fit.output_error == pytest.approx(whole.fit.output_error, rel=0.05)
    away = normal(*shape) - np.asarray(pair.to_dense())
    assert pair.fit.output_error == pytest.approx(
        measured(away, full, groups, transposed)
        / measured(normal(*shape), full, groups, transposed),
        rel=1e-2,
    )


def measured(weight: Any, covariance: Any, groups: int, transposed: bool) -> float:
    """The norm of a weight through a covariance."""
    if transposed:
        parts = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    else:
        parts = weight.reshape(groups, -1, *weight.shape[1:])
    flat = parts.reshape(groups, parts.shape[1], -1)
    return float(np.sqrt(np.einsum("gdi,gij,gdj->", flat, covariance, flat)))


def test_a_product_on_two_factors_is_solved_exactly() -> None:
    """Tucker-2 in coordinates in which the input is white, and back."""
    weight, rng = normal(7, 6, 3), np.random.default_rng(1)
    first, second = (m @ m.T for m in (rng.standard_normal((n, n)) for n in (6, 3)))
    damped = [c + 1e-4 * np.trace(c) / len(c) * np.eye(len(c)) for c in (first, second)]
    roots = [np.linalg.cholesky(c) for c in damped]
    white = np.einsum("dck,ca,kb->dab", weight, *roots)
    plain = decompose(white, "tucker2", (3, 2)).to_dense()
    inverses = [np.linalg.inv(root) for root in roots]
    wanted = np.einsum("dab,ac,bk->dck", plain, *inverses)
    found = decompose(weight, "tucker2", (3, 2), covariance=(first, second))
    np.testing.assert_allclose(found.to_dense(), wanted, atol=1e-10)


@pytest.mark.parametrize("format", ["tucker2", "cp", "tt"])
def test_large_equations_are_approached(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, x = normal(8, 6, 3, 3), correlated(16, 6, 8, 8)
    covariance = tnconv.kfac_input_factor(x, 3)
    exact = decompose(weight, format, 2, covariance=covariance)
    monkeypatch.setattr(equations, "LARGEST", 1)
    found = decompose(weight, format, 2, covariance=covariance)
    assert exact.fit is not None and found.fit is not None
    assert found.fit.output_error == pytest.approx(exact.fit.output_error, rel=1e-2)


def test_what_is_no_covariance_is_refused() -> None:
    weight = normal(4, 6, 3)
    with pytest.raises(ArgumentError, match="covariance has shape"):
        decompose(weight, "svd-out", 2, covariance=np.eye(5))
    with pytest.raises(ArgumentError, match="not symmetric"):
        decompose(weight, "svd-out", 2, covariance=np.triu(np.ones((18, 18))))
    with pytest.raises(ArgumentError, match="no kernel positions"):
        pair = (np.eye(6), np.eye(1))
        decompose(normal(4, 6), "svd-out", 2, covariance=pair)
    with pytest.raises(ArgumentError, match="3 parts"):
        decompose(weight, "svd-out", 2, covariance=(np.eye(6),) * 3)
    with pytest.raises(ArgumentError, match="covariance has shape"):
        decompose(weight, "svd-out", 2, covariance=(np.eye(6), np.eye(2)))
