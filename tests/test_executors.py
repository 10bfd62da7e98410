"""Blocks contracted by the workers of an executor: the same bits, come what may."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import (
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.blocks import KERNEL, LIMIT, SHAPE, SPAWN, factor, inputs
from tests.libraries import LIBRARIES, NUMPY, TORCH, Array, Library
from tests.strategies import Limits, cases, seeds
from tests.test_networks import built

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError, ArrayError
from tnconv.execution.backend import Spreading
from tnconv.execution.crew import AHEAD, Crew
from tnconv.execution.expression import expression
from tnconv.execution.program import Loop
from tnconv.execution.registry import backend, backend_for
from tnconv.network import Network
from tnconv.options import current
from tnconv.planning.blocks import Cut, cut_labels, cut_network
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.realize import assembled
from tnconv.planning.rivals import Planned, unlimited


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Two processes that begin as a user's would."""
    with ProcessPoolExecutor(2, SPAWN) as found:
        yield found


def test_the_plan_of_these_tests_is_in_blocks() -> None:
    network = networks.kfac_input_factor(SHAPE, KERNEL, padding=1)
    planned = expression(network, dtype="float64", memory_limit=LIMIT).planned
    (loop,) = planned.program.steps
    assert isinstance(loop, Loop) and len(loop.blocks) >= 4
    assert expression(network, dtype="float64").peak_bytes > 2 * LIMIT


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda lib: lib.name)
def test_threads_give_the_same_bits(library: Library) -> None:
    x = library.array(inputs(), "float32")
    with ThreadPoolExecutor(3) as threads:
        found = library.values(factor(x, threads))
    np.testing.assert_array_equal(found, library.values(factor(x)))
    whole = library.values(factor(x, limit=None))
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
@pytest.mark.parametrize("dtype", ("float32", "float16", "complex64"))
def test_processes_give_the_same_bits(
    library: Library, dtype: str, pool: ProcessPoolExecutor
) -> None:
    x = library.array(np.round(2 * inputs()), dtype)
    found = factor(x, pool)
    library.check(found, dtype)
    np.testing.assert_array_equal(library.values(found), library.values(factor(x)))


def in_blocks(network: Network, cut: Cut) -> Planned:
    """A plan that is cut as told, whatever that costs."""
    machine = nearest("numpy", cpu(2))
    blocks = cut_network(network.without(), cut)
    bodies = {
        block.network: unlimited(block.network, machine, 8, current())
        for block in blocks
    }
    return assembled(network, cut, blocks, bodies, machine, 8)


@pytest.mark.parametrize("operation", ("conv", "conv_weight_vjp", "conv_input_vjp"))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_blocks_of_any_label(operation: str, data: Any) -> None:
    """Kept labels, summed ones and kernel offsets, in parcels of any size."""
    case = data.draw(cases(operation, Limits(axes=(1, 2), filled=True)))
    case.shapes.pop("bias", None)
    network = built(case)[0]
    labels = cut_labels(network.without())
    if not labels:
        return
    label = data.draw(st.sampled_from(labels))
    size = data.draw(st.integers(1, network.sizes[label]))
    try:
        planned = in_blocks(network, Cut(label, size))
    except tnconv.NetworkError:  # a label that cannot be cut
        return
    drawn = case.integers(data.draw(seeds()))
    given = [np.asarray(drawn[name], float) for name in network.arguments]
    place = backend("numpy").place(given[0])
    expected = backend("numpy").compile(planned.program, place)(given)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as threads:
        patch.setattr("tnconv_backends.blocks.MOST", data.draw(st.integers(1, 5)))
        for name in ("numpy", "torch", "array_api_strict"):
            library = Library(name, ())
            arrays = [library.array(x, "float64") for x in given]
            kind: Any = type(arrays[0])
            lib = backend_for(kind)
            assert isinstance(lib, Spreading)
            crew = Crew(lib.name, threads)
            run = lib.compile(planned.program, lib.place(arrays[0]), crew)
            np.testing.assert_array_equal(library.values(run(arrays)), expected)


def test_gradients_go_through_the_workers() -> None:
    import torch

    x = torch.tensor(inputs(), requires_grad=True)
    here, there = factor(x), None
    (expected,) = torch.autograd.grad(here.sin().sum(), x)
    with ThreadPoolExecutor(2) as threads:
        there = factor(x, threads)
        with tnconv.options(memory_limit=LIMIT, executor=threads):
            (found,) = torch.autograd.grad(there.sin().sum(), x)
    assert torch.equal(found, expected)


class Counting(ThreadPoolExecutor):
    """Threads, and how many blocks were on their way at once."""

    most = on_the_way = sent = 0

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.sent += 1
        self.on_the_way += 1
        self.most = max(self.most, self.on_the_way)
        future = super().submit(call, *arguments, **named)
        result = future.result

        def taken(timeout: float | None = None) -> Any:
            found = result(timeout)
            self.on_the_way -= 1
            return found

        future.result = taken  # type: ignore[method-assign]
        return future


def test_few_blocks_are_on_their_way_at_once() -> None:
    with Counting(1) as one:
        factor(inputs(), one)
    assert one.sent > AHEAD >= one.most == AHEAD


def test_a_plan_in_one_piece_runs_here() -> None:
    with Counting(1) as one:
        np.testing.assert_array_equal(
            factor(inputs(), one, None), factor(inputs(), limit=None)
        )
    assert one.sent == 0


def test_what_is_no_executor_is_refused() -> None:
    for wrong in (3, "threads", object()):
        with pytest.raises(ArgumentError, match="executor"):
            with tnconv.options(executor=wrong):
                pass


def test_a_backend_that_gives_no_blocks_away_says_so() -> None:
    plain = expression(networks.conv((2, 3, 9), (4, 3, 3)))

    class Alone:
        name = "alone"

    with ThreadPoolExecutor(1) as threads, tnconv.options(executor=threads):
        alone = replace(plain, backend=Alone(), options=current())  # type: ignore[arg-type]
        with pytest.raises(ArrayError, match=r"executor.*'alone'"):
            alone.compiled(plain.place)


def test_threads_may_share_an_executor() -> None:
    xs = [inputs(n) for n in range(4)]
    found: dict[int, Array] = {}
    with ThreadPoolExecutor(2) as threads:

        def call(n: int) -> None:
            found[n] = factor(xs[n], threads)

        callers = [threading.Thread(target=call, args=(n,)) for n in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    for n, x in enumerate(xs):
        np.testing.assert_array_equal(found[n], factor(x))
