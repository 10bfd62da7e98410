"""Fits near a weight, against tensorly and NumPy's SVD."""

import warnings
from typing import Any

import numpy as np
import pytest
from tests.factor.test_decompose import normal, planted

import tnconv
from tnconv.errors import ArgumentError
from tnconv.factor import KernelShape, format_network, rank_caps
from tnconv.factor.decompose import decompose
from tnconv.factor.fit import svd
from tnconv.factor.fit.alternate import Settings, Target, refine
from tnconv.factor.fit.fit import fit
from tnconv.factor.fit.held import hold
from tnconv.factor.fit.layout import Layout
from tnconv.factor.fit.pairs import improve, in_pairs
from tnconv.factor.fit.starts import random_start


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


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ArgumentError, match="NaN"):
        hold("decompose", "kernel", np.array([np.nan]))
