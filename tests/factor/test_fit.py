"""Fits against tensorly, NumPy's SVD and dense least squares."""

import warnings
import weakref
from typing import Any

import numpy as np
import pytest
from tests.factor.test_decompose import normal, planted

import tnconv
from tnconv.errors import ArgumentError
from tnconv.factor import (
    FORMATS,
    FactorizedKernel,
    KernelShape,
    format_network,
    layer_least_squares,
    rank_caps,
    streamed_least_squares,
)
from tnconv.factor.decompose import decompose
from tnconv.factor.fit import equations, svd
from tnconv.factor.fit.alternate import Settings, Target, refine
from tnconv.factor.fit.fit import fit
from tnconv.factor.fit.held import hold
from tnconv.factor.fit.layout import Layout
from tnconv.factor.fit.pairs import improve, in_pairs
from tnconv.factor.fit.starts import random_start


def correlated(*shape: int, seed: int = 0) -> Any:
    """Inputs whose channels and neighbors go together, as behind a trained layer."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((shape[1], shape[1])) / np.arange(1, shape[1] + 1) ** 1.5
    x = np.einsum("ij,nj...->ni...", mix, rng.standard_normal(shape))
    return np.maximum(x + 0.7 * np.roll(x, 1, -1), 0)


def test_one_cut_is_the_truncated_svd() -> None:
    weight = normal(9, 7, 3, 2)
    u, s, v = np.linalg.svd(weight.reshape(9, -1), full_matrices=False)
    best = ((u[:, :4] * s[:4]) @ v[:4]).reshape(weight.shape)
    found = decompose(weight, "svd-out", 4)
    np.testing.assert_allclose(found.to_dense(), best, atol=1e-10)
    assert found.error == pytest.approx(np.sqrt((s[4:] ** 2).sum() / (s**2).sum()))


def test_few_of_many_vectors_are_found_at_random(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((120, 8)) @ rng.standard_normal((8, 200))
    weight += 0.01 * rng.standard_normal(weight.shape)
    exact = decompose(weight, "svd-out", 8)
    monkeypatch.setattr(svd, "RANDOMIZED_FROM", 100)
    found = decompose(weight, "svd-out", 8)
    assert found.error == pytest.approx(exact.error, rel=1e-6)


@pytest.mark.parametrize("ranks", [(4, 3), (7, 5)])
def test_tucker_is_as_near_as_tensorly(ranks: tuple[int, int]) -> None:
    tucker = pytest.importorskip("tensorly.decomposition").partial_tucker
    weight = planted("tucker2", (12, 9, 3, 3), 6) + 3 * normal(12, 9, 3, 3, seed=9)
    errors = tucker(weight, list(ranks), modes=[0, 1], tol=1e-10, n_iter_max=300)[1]
    found = decompose(weight, "tucker2", ranks)
    assert found.error is not None and found.error <= float(errors[-1]) * (1 + 1e-3)


def iterated(weight: Any, ranks: tuple[int, int], sweeps: int) -> float:
    """Higher-order orthogonal iteration by NumPy's SVD; the relative error."""

    def basis(values: Any, rank: int) -> Any:
        return np.linalg.svd(values.reshape(len(values), -1))[0][:, :rank]

    turned = np.moveaxis(weight, 1, 0)
    out, into = basis(weight, ranks[0]), basis(turned, ranks[1])
    for _ in range(sweeps):
        out = basis(np.tensordot(weight, into, (1, 0)), ranks[0])
        into = basis(np.tensordot(turned, out, (1, 0)), ranks[1])
    core = np.tensordot(np.tensordot(weight, out, (0, 0)), into, (0, 0))
    return float(np.sqrt(1 - (core**2).sum() / (weight**2).sum()))


@pytest.mark.parametrize("ranks", [(4, 3), (6, 2), (1, 5)])
def test_tucker_is_the_fixed_point_of_iterated_svds(ranks: tuple[int, int]) -> None:
    weight = planted("tucker2", (7, 6, 3), 3) + normal(7, 6, 3, seed=9)
    layout = Layout.of(format_network("tucker2", KernelShape(weight.shape), ranks))
    held = hold("test", "weight", weight)
    found = fit(held, layout, layout.spread(weight, np), sweeps=200, tolerance=0.0)
    assert found.error == pytest.approx(iterated(weight, ranks, 200), abs=1e-10)


@pytest.mark.parametrize("format", ["tucker2", "tucker", "tt"])
@pytest.mark.parametrize("groups", [1, 2])
def test_no_sweep_over_pairs_is_further_away(format: str, groups: int) -> None:
    """Ranks that one factor's other bonds cannot fill among them."""
    weight = normal(8, 6 // groups, 3, 2)
    shape = KernelShape(weight.shape, groups)
    ranks = [
        min(3 if j else 1, c) for j, c in enumerate(rank_caps(format, shape).values())
    ]
    layout = Layout.of(format_network(format, shape, ranks))
    target = Target(hold("test", "weight", weight), layout, layout.spread(weight, np))
    factors = random_start(target.held, layout, 0)
    last = target.distance(factors)
    for _ in range(4):
        factors = improve(target, factors, Settings(sweeps=1, tolerance=0.0))
        distance = target.distance(factors)
        assert distance <= last * (1 + 1e-12)
        last = distance
    best = refine(target, factors, Settings(sweeps=50, tolerance=1e-9))
    assert target.distance(best) <= last * (1 + 1e-12)
    assert last < 1.1 * target.distance(best)


def test_pairs_are_for_trees_alone() -> None:
    tree = Layout.of(format_network("tt", KernelShape((4, 3, 2, 2)), 2))
    assert in_pairs(tree)
    for text in (
        "a: d r s, b: r c, e: s k, f: l -> d c k l",  # apart
        "a: d r s, b: r c t, e: s t k, f: l -> d c k l",  # a ring, and apart
        "a: d r, b: r c k, e: c -> d c k",  # a leg on two factors
    ):
        names = "drsbckltaef"
        sizes = {label: 2 for label in names}
        shapes = {
            part.split(":")[0].strip(): (2,) * len(part.split(":")[1].split())
            for part in text.split("->")[0].split(",")
        }
        network = tnconv.parse(
            text,
            sizes={a: n for a, n in sizes.items() if a in text.split("->")[1]},
            shapes=shapes,
        )
        assert not in_pairs(Layout.of(network))


@pytest.mark.parametrize("rank", [4, 12])
def test_cp_is_near_tensorly_with_terms_that_do_not_cancel(rank: int) -> None:
    pytest.importorskip("tensorly")
    from tensorly.cp_tensor import cp_to_tensor
    from tensorly.decomposition import parafac

    weight = normal(10, 8, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cp = parafac(weight, rank, init="random", random_state=0, n_iter_max=500)
    theirs = np.linalg.norm(weight - cp_to_tensor(cp)) / np.linalg.norm(weight)
    found = decompose(weight, "cp", rank)
    assert found.error is not None and found.error <= theirs * 1.03
    assert found.fit is not None and found.fit.degeneracy is not None
    assert found.fit.degeneracy < 3
    norms = np.prod([np.linalg.norm(f, axis=0) for f in found.factors], axis=0)
    figure = (norms**2).sum() / (weight**2).sum()
    assert found.fit.degeneracy == pytest.approx(figure, rel=1e-3)


def test_terms_of_a_degenerate_tensor_are_held() -> None:
    """Of rank 3, and as near as one likes to rank 2, by terms without a bound."""
    a, b = np.eye(4)[0], np.eye(4)[1]
    weight = sum(np.einsum("i,j,k", *t) for t in ((a, a, b), (a, b, a), (b, a, a)))
    found = decompose(np.asarray(weight), "cp", 2)
    assert found.fit is not None and found.fit.degeneracy is not None
    assert found.error is not None
    assert found.error < 0.6
    assert found.fit.degeneracy < 20


@pytest.mark.parametrize("format", ["tucker2", "tucker", "tt", "svd-in"])
def test_sweeps_end_where_no_factor_can_be_better(format: str) -> None:
    """At the best fit, the residual is orthogonal to what each factor can change."""
    weight = normal(7, 6, 3, 2)
    found = decompose(weight, format, 2)
    residual = weight - found.to_dense()
    for at, factor in enumerate(found.factors):
        step = 1e-5 * normal(*factor.shape, seed=at)
        moved = [f + step if j == at else f for j, f in enumerate(found.factors)]
        change = found.with_factors(moved).to_dense() - found.to_dense()
        cosine = np.sum(change * residual)
        cosine /= np.linalg.norm(change) * np.linalg.norm(residual)
        assert abs(cosine) < 0.02


CASES = [(1, False), (2, False), (2, True)]


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


@pytest.mark.parametrize("format", ["svd-in", "cp3", "tucker2"])
@pytest.mark.parametrize(("groups", "transposed"), CASES)
def test_least_squares_on_examples(format: str, groups: int, transposed: bool) -> None:
    x, bias = correlated(8, 6, 8, 8), normal(8)
    shape = (6, 8 // groups, 3, 3) if transposed else (8, 6 // groups, 3, 3)
    weight = normal(*shape)
    hyper: dict[str, Any] = {"stride": 2, "padding": 1}
    run = tnconv.conv_transpose if transposed else tnconv.conv
    wanted = run(x, weight, bias, groups=groups, **hyper)
    start = decompose(weight, format, 2, groups=groups, transposed=transposed)
    found = layer_least_squares(start, x, wanted, bias, sweeps=2, **hyper)

    def distance(kernel: FactorizedKernel) -> float:
        given = run(x, kernel.to_dense(), bias, groups=groups, **hyper)
        plain = wanted - bias[:, None, None]
        return float(np.linalg.norm(given - wanted) / np.linalg.norm(plain))

    assert found.ranks == start.ranks
    assert distance(found) < distance(start)
    assert found.fit is not None
    assert found.fit.output_error == pytest.approx(distance(found), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_least_squares_in_parts_are_those_of_all_examples(dtype: str) -> None:
    x, weight = correlated(9, 5, 12).astype(dtype), normal(6, 5, 3).astype(dtype)
    bias = normal(6).astype(dtype)
    y = tnconv.conv(x, weight, bias)
    start = decompose(weight, "tucker2", 2)
    short: dict[str, int] = {"sweeps": 2, "iterations": 3}
    whole = layer_least_squares(start, x, y, bias, **short)
    parts = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    found = streamed_least_squares(start, parts, bias, **short)
    assert found.factors[0].dtype == dtype
    close = 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(found.to_dense(), whole.to_dense(), atol=close)
    assert found.fit is not None and whole.fit is not None
    assert found.fit.output_error == pytest.approx(whole.fit.output_error, rel=1e-4)


def test_least_squares_hold_one_batch() -> None:
    """Batches are made anew in every pass and never kept."""
    weight = normal(4, 3, 3)
    made: list[weakref.ref[Any]] = []
    most = 0

    class Batches:
        def __iter__(self) -> Any:
            nonlocal most
            for seed in range(6):
                x = normal(4, 3, 9, seed=seed)
                made.append(weakref.ref(x))
                most = max(most, sum(one() is not None for one in made))
                yield x, tnconv.conv(x, weight)

    start = decompose(weight, "svd-out", 2)
    found = streamed_least_squares(start, Batches(), sweeps=1, iterations=2)
    assert found.fit is not None and found.fit.output_error is not None
    assert len(made) == 6 * 10 and most <= 2  # one runs, and the next is made


def test_least_squares_reach_the_dense_solution() -> None:
    """With one factor free in a linear layer, it is a regression that NumPy solves."""
    x, weight = normal(50, 7), normal(5, 7, seed=1)
    start = decompose(weight, "svd-out", 5)  # full rank: the fit can be exact
    noise = normal(50, 5, seed=2)
    found = layer_least_squares(start, x, x @ weight.T + noise, iterations=50)
    best = np.linalg.lstsq(x, x @ weight.T + noise, rcond=None)[0].T
    np.testing.assert_allclose(found.to_dense(), best, atol=1e-6)


def test_what_is_refused() -> None:
    weight = normal(4, 6, 3)
    kernel, x = decompose(weight, "svd-out", 2), normal(2, 6, 9)
    with pytest.raises(ArgumentError, match="covariance has shape"):
        decompose(weight, "svd-out", 2, covariance=np.eye(5))
    with pytest.raises(ArgumentError, match="not symmetric"):
        decompose(weight, "svd-out", 2, covariance=np.triu(np.ones((18, 18))))
    with pytest.raises(ArgumentError, match="output has shape"):
        layer_least_squares(kernel, x, normal(2, 4, 9))
    with pytest.raises(ArgumentError, match="bias has shape"):
        layer_least_squares(kernel, x, normal(2, 4, 7), normal(5))
    with pytest.raises(ArgumentError, match="groups"):
        layer_least_squares(kernel, x, normal(2, 4, 7), groups=1)
    with pytest.raises(ArgumentError, match="ends after one pass"):
        streamed_least_squares(kernel, iter([(x, normal(2, 4, 7))]))
    with pytest.raises(ArgumentError, match="no batch"):
        streamed_least_squares(kernel, [])
    with pytest.raises(ArgumentError, match="no kernel positions"):
        pair = (np.eye(6), np.eye(1))
        decompose(normal(4, 6), "svd-out", 2, covariance=pair)
    with pytest.raises(ArgumentError, match="3 parts"):
        decompose(weight, "svd-out", 2, covariance=(np.eye(6),) * 3)
    with pytest.raises(ArgumentError, match="covariance has shape"):
        decompose(weight, "svd-out", 2, covariance=(np.eye(6), np.eye(2)))
    with pytest.raises(ArgumentError, match="NaN"):
        hold("decompose", "kernel", np.array([np.nan]))
