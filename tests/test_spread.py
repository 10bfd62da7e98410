"""Plans that are cut for the workers of an executor, where that pays."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.libraries import LIBRARIES, NUMPY, TORCH, Library
from tests.strategies import Limits, cases, seeds
from tests.test_networks import built

import tnconv
from tnconv import networks
from tnconv.execution import teams
from tnconv.execution.backend import Place
from tnconv.execution.expression import expression
from tnconv.execution.program import Loop
from tnconv.execution.registry import backend, backend_for
from tnconv.options import current
from tnconv.planning import spread as spreading
from tnconv.planning.constants import nearest
from tnconv.planning.device import Device, cpu
from tnconv.planning.planner import plan_network
from tnconv.planning.spread import Team, spread

MACHINE = nearest("numpy", cpu(2))
FREE = Team(3, 3, MACHINE, 0.0)
#: a layer of some milliseconds
SHAPE, KERNEL = (8, 32, 32, 32), (3, 3)


def factor_network() -> Any:
    return networks.kfac_input_factor(SHAPE, KERNEL, padding=1)


def pieces(planned: Any) -> int:
    """How many blocks a plan gives away; 0 for one in a single piece."""
    (step, *rest) = planned.program.steps
    return len(step.blocks) if isinstance(step, Loop) and not rest else 0


@pytest.mark.parametrize("operation", ("conv", "conv_weight_vjp", "kfac_input_factor"))
@settings(max_examples=25, deadline=None)
@given(data=st.data(), count=st.integers(2, 5))
def test_a_plan_in_pieces_computes_the_same(
    operation: str, data: Any, count: int
) -> None:
    """Whatever is cut, and however many workers there are."""
    case = data.draw(cases(operation, Limits(axes=(1, 2), filled=True)))
    case.shapes.pop("bias", None)
    network = built(case)[0]
    whole = plan_network(network, MACHINE, 8, current())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spreading, "GAIN", math.inf)
        patch.setattr(spreading, "TRIES", 100)
        ways = list(spreading._ways(whole, 8, replace(FREE, count=count)))
        found = spread(whole, 8, replace(FREE, count=count))
    drawn = case.integers(data.draw(seeds()))
    given = [np.asarray(drawn[name], float) for name in network.arguments]
    place = backend("numpy").place(given[0])
    expected = backend("numpy").compile(whole.program, place)(given)
    for planned in ways:
        blocks = planned.plan.blocks
        assert blocks is not None
        size = planned.plan.network.sizes[blocks.label]
        assert pieces(planned) >= min(count, size)
        run = backend("numpy").compile(planned.program, place)
        np.testing.assert_allclose(run(given), expected, rtol=1e-12, atol=1e-9)
    assert (found is None) == (not ways)


def test_time_decides_with_what_is_sent() -> None:
    network = factor_network()
    whole = plan_network(network, MACHINE, 4, current())
    found = spread(whole, 4, FREE)
    assert found is not None and pieces(found) >= 3
    assert whole.seconds / 3 < found.seconds < whole.seconds / 2
    assert found.plan.forms == whole.plan.forms and found.network == whole.network
    for poor in (
        replace(FREE, latency=whole.seconds),
        replace(FREE, rate=4e6 / whole.seconds),
        replace(FREE, together=1),
        replace(FREE, machine=replace(MACHINE, gemm=MACHINE.gemm / 50)),
    ):
        assert spread(whole, 4, poor) is None


def test_every_worker_counts_and_no_limit_is_passed() -> None:
    whole = plan_network(factor_network(), MACHINE, 4, current())
    few, many = (spread(whole, 4, Team(n, n, MACHINE, 0.0)) for n in (2, 8))
    assert few is not None and many is not None
    assert many.seconds < few.seconds / 2 and pieces(many) >= 8
    assert spread(whole, 4, FREE, limit=0) is None
    limited = spread(whole, 4, FREE, limit=few.peak)
    assert limited is not None and limited.peak <= few.peak


def test_blocks_that_are_too_few_are_made_smaller() -> None:
    network = networks.kfac_input_factor((64, 16, 16, 16), KERNEL, padding=1)
    with tnconv.options(memory_limit=4_500_000) as inside:
        whole = plan_network(network, MACHINE, 4, inside)
    count = 2 * pieces(whole)
    assert count > 2
    found = spread(whole, 4, Team(count, count, MACHINE, 0.0))
    assert found is not None and pieces(found) >= count
    assert found.peak <= whole.peak


@contextmanager
def free_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sending costs nothing, and there are processors enough."""
    with monkeypatch.context() as patch:
        for name in ("THREADS", "PROCESSES", "DASK"):
            patch.setattr(teams, name, (0.0, math.inf))
        patch.setattr(teams, "processors", lambda: 1 << 10)
        yield


def factor(x: Any, executor: Any = None) -> Any:
    with tnconv.options(executor=executor):
        return tnconv.kfac_input_factor(x, KERNEL, padding=1)


def inputs() -> Any:
    """Small integers: sums of their products are exact."""
    return np.random.default_rng(0).integers(-2, 3, SHAPE).astype(float)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda lib: lib.name)
def test_threads_contract_the_pieces(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = library.array(inputs(), "float32")
    kind: Any = type(x)
    whole = library.values(factor(x))
    with free_workers(monkeypatch), ThreadPoolExecutor(3) as threads:
        with tnconv.options(executor=threads):
            made = expression(factor_network(), backend=backend_for(kind).name)
        assert made.spread and pieces(made.planned) >= 3
        found = library.values(factor(x, threads))
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
def test_processes_contract_the_pieces(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = library.array(inputs(), "float32")
    sent: list[int] = []
    plain = ProcessPoolExecutor.submit

    def submit(self: Any, *arguments: Any) -> Any:
        sent.append(1)
        return plain(self, *arguments)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    spawn = multiprocessing.get_context("spawn")
    with free_workers(monkeypatch), ProcessPoolExecutor(2, spawn) as processes:
        found = library.values(factor(x, processes))
    assert len(sent) >= 2
    np.testing.assert_array_equal(found, library.values(factor(x)))


def test_gradients_are_cut_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    x = torch.tensor(inputs(), requires_grad=True)
    (expected,) = torch.autograd.grad(factor(x).sum(), x)
    with free_workers(monkeypatch), ThreadPoolExecutor(2) as threads:
        submit, sent = threads.submit, list[int]()

        def counted(*arguments: Any) -> Any:
            sent.append(1)
            return submit(*arguments)

        threads.submit = counted  # type: ignore[method-assign, assignment]
        with tnconv.options(executor=threads):
            there = tnconv.kfac_input_factor(x, KERNEL, padding=1)
            forward = len(sent)
            (found,) = torch.autograd.grad(there.sum(), x)
    assert forward >= 2 and len(sent) >= forward + 2
    assert torch.equal(found, expected)


def test_what_jax_traces_is_contracted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    x = jax.numpy.asarray(inputs().astype("float32"))
    with free_workers(monkeypatch), ThreadPoolExecutor(2) as threads:
        eager = factor(x, threads)
        traced = jax.jit(lambda x: factor(x, threads))(x)
    np.testing.assert_array_equal(traced, eager)


def test_what_does_not_pay_runs_here() -> None:
    small = networks.conv((2, 3, 9), (4, 3, 3))
    with ThreadPoolExecutor(2) as threads, tnconv.options(executor=threads):
        made = expression(small)
    assert not made.spread and made.planned is expression(small).planned
    assert "executor" not in str(made)


def test_threads_pay_for_a_layer_where_there_are_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teams, "processors", lambda: 4 * cpu().threads)
    network = networks.kfac_input_factor((32, 64, 56, 56), KERNEL, padding=1)
    with ThreadPoolExecutor(4) as threads, tnconv.options(executor=threads):
        made = expression(network)
        assert made.spread and made.planned.seconds < made.here.planned.seconds / 2
        assert "blocks by   the executor's workers" in str(made)
        monkeypatch.setattr(teams, "processors", lambda: cpu().threads)
        assert not expression(network).spread  # one thread's work at a time


def test_plans_are_explained_and_kept_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TNCONV_STORE", str(tmp_path / "own.sqlite"))
    with free_workers(monkeypatch), ThreadPoolExecutor(3) as threads:
        with tnconv.options(executor=threads):
            made = expression(factor_network())
            assert made.spread
            chosen = made.explain().chosen
            made.keep()
    assert chosen.seconds == expression(factor_network()).planned.seconds
    tnconv.clear_caches()
    stored = expression(factor_network())
    assert stored.plan.source.startswith("the store") and not stored.spread
    assert pieces(stored.planned) != 3


class Cluster(SimpleNamespace):
    """What a Dask client tells of its workers."""

    def __init__(self, threads: dict[str, int], models: dict[str, str]) -> None:
        machines = {
            worker: replace(MACHINE, device=Device("cpu", model, 1))
            for worker, model in models.items()
        }
        super().__init__(nthreads=lambda: threads, run=lambda *a, **k: machines)


def test_a_clusters_workers_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teams, "is_dask_client", lambda client: True)
    own, place = backend("numpy"), Place("numpy", None, "float32", None)

    def team(threads: dict[str, int], models: dict[str, str]) -> Team | None:
        return teams.team_of(Cluster(threads, models), own, place)

    threads = {"a": 1, "b": 1, "c": 4}
    mixed = team(threads, {"a": "old", "b": "old", "c": "new"})
    assert mixed is not None and (mixed.count, mixed.together) == (6, 6)
    assert mixed.machine.device.model == "new"
    left = team(threads, {"a": "old", "b": "old"})  # one died meanwhile
    assert left is not None and left.count == 2
    assert left.machine.device.model == "old"
    assert team({}, {}) is None
