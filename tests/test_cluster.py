"""Blocks contracted by the workers of a Dask cluster: separate processes, over TCP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.blocks import ROOM, confine, factor, inputs, wide

import tnconv
from tnconv.errors import ArgumentError, WorkerError
from tnconv.execution import executors
from tnconv.options import options

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """A client of some processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            protocol="tcp",
            dashboard_address=":0",
            silence_logs=50,
        ) as nodes,
        distributed.Client(nodes) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """One cluster for all tests; workers that die are started again."""
    with cluster(2) as found:
        yield found


def test_a_cluster_gives_the_same_bits(client: Any) -> None:
    assert client.scheduler.address.startswith("tcp://")
    assert set(client.run(os.getpid).values()).isdisjoint({os.getpid()})
    x = inputs()
    np.testing.assert_array_equal(factor(x, client), factor(x))


def test_torch_tensors_travel(client: Any) -> None:
    import torch

    x = torch.tensor(inputs(), requires_grad=True)
    assert torch.equal(factor(x, client), factor(x))


def test_a_worker_that_is_killed_halfway_changes_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers, killed, sent = client.run(os.getpid), [], []
    plain = executors._DaskWorkers.submit

    def submit(self: Any, call: Any, *arguments: Any) -> Any:
        future = plain(self, call, *arguments)
        sent.append(future.key)
        if len(sent) == 3:
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGKILL)
        return future

    monkeypatch.setattr(executors._DaskWorkers, "submit", submit)
    x = inputs()
    found = factor(x, client)
    assert killed and killed[0] not in client.run(os.getpid).values()
    np.testing.assert_array_equal(found, factor(x))


def test_chunked_arrays_are_contracted_by_the_cluster(client: Any) -> None:
    da = pytest.importorskip("dask.array")
    x = inputs()
    lazy = tnconv.kfac_input_factor(da.from_array(x, chunks=(1, -1, -1, -1)), (3, 3))
    found = client.compute(lazy).result()
    expected = tnconv.kfac_input_factor(x, (3, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_workers_within_a_limit_contract_what_is_sliced(client: Any) -> None:
    client.wait_for_workers(2)
    client.run(confine, ROOM)
    with pytest.raises(MemoryError):
        client.submit(wide, pure=False).result()
    found = wide(client, ROOM // 3)
    np.testing.assert_allclose(found, wide(), rtol=1e-3, atol=1e-3)


def test_a_cluster_without_workers_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    monkeypatch.setattr(executors, "TIMEOUT", 0.2)
    with cluster(0) as empty, pytest.raises(WorkerError, match="no workers"):
        factor(inputs(), empty)


def test_an_asynchronous_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "is_dask_client", lambda executor: True)
    with pytest.raises(ArgumentError, match="asynchronous=False"):
        with options(executor=SimpleNamespace(asynchronous=True)):
            pass
