"""Workers that die, fail or have no memory: the same bits, or an error in words."""

from __future__ import annotations

import os
import sys
from concurrent.futures import (
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from typing import Any

import numpy as np
import pytest
from tests.blocks import ROOM, SPAWN, confine, factor, inputs, wide

from tnconv.errors import WorkerError
from tnconv.execution.crew import AHEAD, RETRIES


class Failing(ThreadPoolExecutor):
    """Threads that fail at the third block."""

    sent = 0

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.sent += 1
        if self.sent == 3:
            return super().submit(divmod, 1, 0)
        return super().submit(call, *arguments, **named)


def test_what_a_block_raises_is_raised_here_and_not_tried_again() -> None:
    with Failing(1) as threads, pytest.raises(ZeroDivisionError):
        factor(inputs(), threads)
    assert threads.sent <= 3 + AHEAD


class Dying(ProcessPoolExecutor):
    """Processes of which one dies with the third block."""

    sent = 0

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.sent += 1
        if self.sent == 3:
            return super().submit(die, call, arguments)
        return super().submit(call, *arguments, **named)


def die(call: Any, arguments: Any) -> Any:
    """What the system does to a process that takes too much."""
    os._exit(9)


def test_a_process_that_dies_halfway_changes_nothing() -> None:
    x = inputs()
    with Dying(2, SPAWN) as processes:
        with pytest.warns(RuntimeWarning, match="died"):
            found = factor(x, processes)
        assert processes.sent >= 3
        with pytest.warns(RuntimeWarning, match="died"):  # it stays broken
            again = factor(x, processes)
    np.testing.assert_array_equal(found, factor(x))
    np.testing.assert_array_equal(again, found)


def always_dying(*arguments: Any) -> Any:
    """A block that nobody survives."""
    os._exit(9)


def test_a_block_that_kills_every_worker_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tnconv.execution.crew.contract_block", always_dying)
    monkeypatch.setattr("tnconv.execution.crew.RETRIES", 1)
    assert RETRIES > 1
    with ProcessPoolExecutor(1, SPAWN) as processes:
        with pytest.warns(RuntimeWarning, match="died"):
            with pytest.raises(WorkerError, match=r"2 times.*memory_limit"):
                factor(inputs(), processes)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_a_sliced_contraction_fits_where_the_whole_does_not() -> None:
    with ProcessPoolExecutor(2, SPAWN, confine, (ROOM,)) as confined:
        with pytest.raises(MemoryError):
            confined.submit(wide).result()
        found = wide(confined, ROOM // 3)
    np.testing.assert_allclose(found, wide(), rtol=1e-3, atol=1e-3)
